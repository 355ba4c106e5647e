/// One measurement of a replica: so many sequences at once, so many output tokens a second of all.
package struct StepPoint: Equatable, Sendable {
    package var sequences: Double
    package var tokensPerSecond: Double

    package init(sequences: Double, tokensPerSecond: Double) {
        self.sequences = sequences
        self.tokensPerSecond = tokensPerSecond
    }

    /// How long a step takes then, in milliseconds.
    var stepMilliseconds: Double { sequences / tokensPerSecond * 1_000 }
}

/// What an operator knows of a replica, from which the law of its steps is made.
package struct EngineFit: Equatable, Sendable {
    /// Decoding, at one or more numbers of sequences.
    package var points: [StepPoint] = []
    /// Prompt tokens a second of one replica that does nothing else.
    package var promptTokensPerSecond: Double?

    package init() {}

    /// What a message about a wrong one says.
    package static let form =
        "SEQUENCES:TOKENS/S pairs and perhaps prefill:TOKENS/S, separated by commas, such as "
        + "1:95,64:2600,prefill:25000; or a file with a replica's /metrics page"

    /// Reads `1:95,64:2600,prefill:25000`.
    package init(_ text: String) throws(PlanTextError) {
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let pair = part.split(separator: ":", omittingEmptySubsequences: false)
            guard pair.count == 2, let rate = Double(pair[1]), (0.001...1e9).contains(rate) else {
                throw PlanTextError(text, Self.form)
            }
            if pair[0] == "prefill" {
                promptTokensPerSecond = rate
            } else if let sequences = Double(pair[0]), (1...65_536).contains(sequences) {
                points.append(StepPoint(sequences: sequences, tokensPerSecond: rate))
            } else {
                throw PlanTextError(text, Self.form)
            }
        }
    }

    /// Changes the law so that it gives these numbers.
    ///
    /// Two points or more (least squares) give what a step costs before it does anything and what a
    /// sequence adds; one point can only say how much quicker or slower than the default the replica
    /// is as a whole.
    ///
    /// - Parameter contextTokens: of a sequence in the KV cache, on average.
    package func apply(
        to engine: inout EngineParameters, contextTokens: Double
    ) throws(PlanTextError) {
        if let rate = promptTokensPerSecond {
            // A full step carries the base cost too.
            let step = Double(engine.tokensPerStepMax)
            let spent = step / rate * 1_000 - engine.stepBaseMilliseconds
            engine.prefillTokenMilliseconds = max(spent, 0.1 / rate * 1_000) / step
        }
        let sizes = Set(points.map(\.sequences))
        if points.isEmpty { return }
        if sizes.count == 1 {
            let mean = points.reduce(0) { $0 + $1.stepMilliseconds } / Double(points.count)
            let now = Self.step(engine, sequences: points[0].sequences, contextTokens)
            engine.stepBaseMilliseconds *= mean / now
            engine.decodeMilliseconds *= mean / now
            engine.cacheTokenMilliseconds *= mean / now
            return
        }
        let count = Double(points.count)
        let meanSize = points.reduce(0) { $0 + $1.sequences } / count
        let meanStep = points.reduce(0) { $0 + $1.stepMilliseconds } / count
        let slope =
            points.reduce(0) { sum, point in
                sum + (point.sequences - meanSize) * (point.stepMilliseconds - meanStep)
            }
            / points.reduce(0) { $0 + ($1.sequences - meanSize) * ($1.sequences - meanSize) }
        let base = meanStep - slope * meanSize
        guard slope >= 0, base > 0 else {
            let law = "step = \(PlanText.short(base)) ms + \(PlanText.short(slope)) ms · sequences"
            throw PlanTextError(
                points.map {
                    PlanText.short($0.sequences) + ":" + PlanText.short($0.tokensPerSecond)
                }.joined(separator: ","),
                "the points give \(law), and both numbers must be positive: more sequences at once "
                    + "make more tokens a second, but never proportionally more")
        }
        engine.stepBaseMilliseconds = base
        engine.cacheTokenMilliseconds = min(
            engine.cacheTokenMilliseconds, slope / max(1, contextTokens))
        engine.decodeMilliseconds = slope - engine.cacheTokenMilliseconds * contextTokens
    }

    /// A step of sequences that decode, in milliseconds.
    package static func step(
        _ engine: EngineParameters, sequences: Double, _ contextTokens: Double
    ) -> Double {
        engine.stepBaseMilliseconds + engine.decodeMilliseconds * sequences
            + engine.cacheTokenMilliseconds * sequences * contextTokens
    }
}
