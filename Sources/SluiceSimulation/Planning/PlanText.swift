import SluiceTime

/// What is wrong with a value of the command line; the caller names the option.
package struct PlanTextError: Error, Equatable, CustomStringConvertible {
    /// The value as given, and what is allowed.
    package let description: String

    package init(_ value: String, _ allowed: String) {
        description = "\"\(value)\" is not allowed: \(allowed)"
    }
}

/// How much is asked for.
package enum PlannedLoad: Equatable, Sendable, CustomStringConvertible {
    /// So many times what the fleet can do; of a recording, so many times its own rate.
    case multiple(Double)
    /// Requests a second.
    case perSecond(Double)

    /// What a message about a wrong one says.
    package static let form =
        "a multiple of the capacity, 0.01x … 100x, or requests a second, 0.01/s … 100000/s"

    /// Reads `2x` or `50/s`.
    package init(_ text: String) throws(PlanTextError) {
        if text.hasSuffix("x"), let value = Double(text.dropLast()),
            (0.01...100).contains(value)
        {
            self = .multiple(value)
        } else if text.hasSuffix("/s"), let value = Double(text.dropLast(2)),
            (0.01...100_000).contains(value)
        {
            self = .perSecond(value)
        } else {
            throw PlanTextError(text, Self.form)
        }
    }

    package var description: String {
        switch self {
        case .multiple(let value): PlanText.short(value) + "x"
        case .perSecond(let value): PlanText.short(value) + "/s"
        }
    }
}

/// Replicas that are not what they should be.
package struct Misfortune: Equatable, Sendable {
    /// How many replicas it hits.
    package var count: Int
    /// How many times slower they are; nil: they are gone.
    package var slowFactor: Double?
    /// When, since the start of the counted part; nil: all the time.
    package var at: Nanoseconds?

    package init(count: Int, slowFactor: Double?, at: Nanoseconds?) {
        self.count = count
        self.slowFactor = slowFactor
        self.at = at
    }

    /// What messages about a wrong one say.
    package static let lossForm = "COUNT or COUNT@TIME, such as 1 or 1@40s"
    package static let slowForm =
        "COUNT:FACTOR or COUNT:FACTOR@TIME with a factor of 1 … 100, such as 1:3 or 1:3@40s"

    /// Reads `1` or `1@40s`.
    ///
    /// - Parameter span: reads a time with a unit.
    package static func loss(
        _ text: String, span: (String) -> Nanoseconds?
    ) throws(PlanTextError) -> Misfortune {
        let (what, at) = try split(text, lossForm, span)
        guard let count = Int(what), (1...1_000).contains(count) else {
            throw PlanTextError(text, lossForm)
        }
        return Misfortune(count: count, slowFactor: nil, at: at)
    }

    /// Reads `1:3` or `1:3@40s`.
    package static func slow(
        _ text: String, span: (String) -> Nanoseconds?
    ) throws(PlanTextError) -> Misfortune {
        let (what, at) = try split(text, slowForm, span)
        let parts = what.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let count = Int(parts[0]), (1...1_000).contains(count),
            let factor = Double(parts[1]), (1...100).contains(factor)
        else { throw PlanTextError(text, slowForm) }
        return Misfortune(count: count, slowFactor: factor, at: at)
    }

    private static func split(
        _ text: String, _ form: String, _ span: (String) -> Nanoseconds?
    ) throws(PlanTextError) -> (String, Nanoseconds?) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        if parts.count == 1 { return (text, nil) }
        guard parts.count == 2, let at = span(String(parts[1])) else {
            throw PlanTextError(text, form)
        }
        return (String(parts[0]), at)
    }
}

/// The smaller forms of the command line.
package enum PlanText {
    /// What a message about wrong lengths says.
    package static let lengthsForm =
        "MEDIAN, MEDIAN:SIGMA or MEDIAN:SIGMA:MAX in tokens, with 1 … 1000000 tokens and a sigma of "
        + "0 … 3, such as 600 or 600:1:8000"

    /// Reads `600`, `600:1` or `600:1:8000`; what is not said is that of `usual`, the longest scaled
    /// with the median.
    package static func lengths(
        _ text: String, usual: LognormalLengths
    ) throws(PlanTextError) -> LognormalLengths {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var lengths = usual
        guard (1...3).contains(parts.count), let median = Double(parts[0]),
            (1...1_000_000).contains(median)
        else { throw PlanTextError(text, lengthsForm) }
        lengths.median = median
        let longest = median / usual.median * Double(usual.tokensMax)
        lengths.tokensMax = Int(min(max(1, longest.rounded()), 1_000_000))
        if parts.count > 1 {
            guard let sigma = Double(parts[1]), (0...3).contains(sigma) else {
                throw PlanTextError(text, lengthsForm)
            }
            lengths.sigma = sigma
        }
        if parts.count > 2 {
            guard let most = Int(parts[2]), (1...1_000_000).contains(most) else {
                throw PlanTextError(text, lengthsForm)
            }
            lengths.tokensMax = most
        }
        return lengths
    }

    /// What a message about wrong shares says.
    package static let sharesForm =
        "NAME=SHARE, separated by commas, with shares above 0 in any unit, such as critical=50,batch=50"

    /// Reads `critical=50,batch=50`; the shares of the result sum to 1.
    package static func shares(
        _ text: String
    ) throws(PlanTextError) -> [(name: String, share: Double)] {
        var shares: [(name: String, share: Double)] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let pair = part.split(separator: "=", omittingEmptySubsequences: false)
            guard pair.count == 2, !pair[0].isEmpty, let share = Double(pair[1]),
                share > 0, share <= 1e9, !shares.contains(where: { $0.name == pair[0] })
            else { throw PlanTextError(text, sharesForm) }
            shares.append((String(pair[0]), share))
        }
        let sum = shares.reduce(0) { $0 + $1.share }
        return shares.map { ($0.name, $0.share / sum) }
    }

    /// A number as people write it: `2`, `0.5`, `1.25`, never more than three decimals.
    package static func short(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e12 else { return "–" }
        let thousandths = Int64((value * 1_000).rounded())
        let (whole, rest) = abs(thousandths).quotientAndRemainder(dividingBy: 1_000)
        var decimals = String(1_000 + rest).dropFirst()
        while decimals.last == "0" { decimals.removeLast() }
        let sign = thousandths < 0 ? "-" : ""
        return decimals.isEmpty ? "\(sign)\(whole)" : "\(sign)\(whole).\(decimals)"
    }
}
