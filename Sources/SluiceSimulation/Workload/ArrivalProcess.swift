import SluiceBytes
import Foundation
import SluiceTime

/// Arrivals in two moods, each lasting an exponential time: a Markov-modulated Poisson process.
package struct BurstLaw: Equatable, Sendable {
    /// Rate in a burst, as a multiple of the mean.
    package var burstFactor: Double
    /// Mean length of a burst.
    package var burstMean: Nanoseconds
    /// Rate between bursts, as a multiple of the mean.
    package var calmFactor: Double
    /// Mean time between bursts.
    package var calmMean: Nanoseconds
}

/// A rate that holds from an offset on.
package struct RateStep: Equatable, Sendable {
    /// Since the start of the run.
    package var from: Nanoseconds
    /// Arrivals a second, 0 or more.
    package var perSecond: Double

    package init(from: Nanoseconds, perSecond: Double) {
        self.from = from
        self.perSecond = perSecond
    }
}

/// When requests come.
package enum ArrivalProcess: Equatable, Sendable {
    /// Poisson, at a rate that changes at the given offsets, first first; before the first, none.
    case poisson([RateStep])
    /// Bursts around a mean rate.
    case bursts(perSecond: Double, BurstLaw)
    /// As they were written down, as offsets since the start of the run, ascending.
    case recorded([Nanoseconds])
    /// So many clients, each sending its next request when the last has ended.
    case closed(clients: Int)

    /// Poisson at one rate.
    package static func poisson(perSecond: Double) -> ArrivalProcess {
        .poisson([RateStep(from: .zero, perSecond: perSecond)])
    }
}

/// Draws the arrivals of a process one by one; the same seed gives the same ones.
struct ArrivalClock {
    private let process: ArrivalProcess
    private var generator: SplitMix64
    /// The last arrival, in seconds since the start of the run.
    private var last = 0.0
    /// Where a recording has got to.
    private var position = 0
    private var isBurst = false
    /// When the mood changes next.
    private var moodEnds = 0.0

    init(_ process: ArrivalProcess, seed: UInt64) {
        self.process = process
        generator = SplitMix64(seed: seed)
        if case .bursts(_, let law) = process {
            // Moods in the long run: no run begins always in a burst or never.
            let (burst, calm) = (law.burstMean.seconds, law.calmMean.seconds)
            isBurst = generator.nextUnit() * (burst + calm) < burst
            moodEnds = exponential() * (isBurst ? burst : calm)
        }
    }

    /// The next arrival as an offset since the start of the run; nil when no more come, or when it
    /// is the end of a request that brings the next.
    mutating func next() -> Nanoseconds? {
        switch process {
        case .poisson(let steps):
            guard let at = nextOfSteps(steps) else { return nil }
            last = at
        case .bursts(let perSecond, let law):
            guard perSecond > 0 else { return nil }
            last = nextOfBursts(perSecond, law)
        case .recorded(let offsets):
            guard position < offsets.count else { return nil }
            position += 1
            return offsets[position - 1]
        case .closed:
            return nil
        }
        return .seconds(clamping: last)
    }

    private mutating func exponential() -> Double { -log(1 - generator.nextUnit()) }

    /// Spends an exponential amount of expected arrivals along the steps.
    private mutating func nextOfSteps(_ steps: [RateStep]) -> Double? {
        var rest = exponential()
        var at = last
        for (index, step) in steps.enumerated() {
            let ends = index + 1 < steps.count ? steps[index + 1].from.seconds : .infinity
            if ends <= at { continue }
            at = max(at, step.from.seconds)
            if step.perSecond > 0 {
                let arrival = at + rest / step.perSecond
                if arrival < ends { return arrival }
                rest -= (ends - at) * step.perSecond
            }
            at = ends
        }
        return nil
    }

    private mutating func nextOfBursts(_ perSecond: Double, _ law: BurstLaw) -> Double {
        var rest = exponential()
        var at = last
        // Ends: every mood is longer than 0 in expectation and spends part of `rest`.
        while true {
            let rate = perSecond * max(isBurst ? law.burstFactor : law.calmFactor, 1e-9)
            let arrival = at + rest / rate
            if arrival < moodEnds { return arrival }
            rest -= max(0, moodEnds - at) * rate
            at = max(at, moodEnds)
            isBurst.toggle()
            moodEnds = at + exponential() * (isBurst ? law.burstMean : law.calmMean).seconds
        }
    }
}
