import ArgumentParser
import Foundation
import SluiceSimulation

/// A replica, and how long requests are, as flags and measurements say.
struct PlannedModel {
    private(set) var engine = EngineParameters()
    private(set) var prompts = Study.prompts
    private(set) var outputs = Study.outputs
    /// What was read off a measurement, for people.
    private(set) var notes: [String] = []

    /// - Parameter slotsMax: what the configuration says of the replicas' slots.
    init(_ options: PlanOptions, slotsMax: Int?) throws {
        engine.sequencesMax = options.slots ?? slotsMax ?? engine.sequencesMax
        let fit = try options.fit.map { try read($0, options) }
        if let text = options.prompt {
            prompts = try options.checked("--prompt") { () throws(PlanTextError) in
                try PlanText.lengths(text, usual: Study.prompts)
            }
        }
        if let text = options.output {
            outputs = try options.checked("--output") { () throws(PlanTextError) in
                try PlanText.lengths(text, usual: Study.outputs)
            }
        }
        engine.cacheTokensMax = options.kvTokens ?? engine.cacheTokensMax
        if let fit { try apply(fit, options) }
        engine.stepBaseMilliseconds = options.stepBase ?? engine.stepBaseMilliseconds
        engine.decodeMilliseconds = options.stepDecode ?? engine.decodeMilliseconds
        engine.prefillTokenMilliseconds = options.stepPrefill ?? engine.prefillTokenMilliseconds
        let longest = prompts.tokensMax + outputs.tokensMax
        engine.modelLengthMax = max(engine.modelLengthMax, longest)
        guard engine.cacheTokensMax >= longest else {
            throw ValidationError(
                "--kv-tokens: \(engine.cacheTokensMax) is too little for a prompt of \(prompts.tokensMax) and an answer of \(outputs.tokensMax) tokens: at least \(longest), or shorter --prompt and --output (MEDIAN:SIGMA:MAX)."
            )
        }
    }

    private mutating func apply(_ fit: EngineFit, _ options: PlanOptions) throws {
        let context = prompts.median + outputs.median / 2
        var fitted = engine
        try options.checked("--fit") { () throws(PlanTextError) in
            try fit.apply(to: &fitted, contextTokens: context)
        }
        engine = fitted
        notes.append(
            "step: \(PlanText.short(engine.stepBaseMilliseconds)) ms + \(PlanText.short(engine.decodeMilliseconds)) ms per sequence + \(PlanText.short(engine.prefillTokenMilliseconds * 1_000)) µs per prompt token"
        )
    }

    /// Reads points or a page; a page also says how long requests are and how large the cache is.
    private mutating func read(_ text: String, _ options: PlanOptions) throws -> EngineFit {
        guard FileManager.default.fileExists(atPath: text) else {
            return try options.checked("--fit") { () throws(PlanTextError) in
                try EngineFit(text)
            }
        }
        let bytes = try PlanOptions.bytes(of: text, flag: "--fit")
        let page = try options.checked("--fit \(text)") { () throws(PlanTextError) in
            try MetricsPageFit(page: bytes)
        }
        if let tokens = page.cacheTokens {
            engine.cacheTokensMax = tokens
            notes.append("page: KV cache of \(tokens) tokens")
        }
        if let lengths = page.prompts {
            prompts = lengths
            notes.append("page: prompts of " + Self.written(lengths))
        }
        if let lengths = page.outputs {
            outputs = lengths
            notes.append("page: answers of " + Self.written(lengths))
        }
        if let point = page.engine.points.first {
            notes.append(
                "page: \(PlanText.short(point.tokensPerSecond)) tokens/s with \(PlanText.short(point.sequences)) sequences at once, on average"
            )
        }
        return page.engine
    }

    private static func written(_ lengths: LognormalLengths) -> String {
        "\(PlanText.short(lengths.median.rounded())) tokens (median), sigma \(PlanText.short(lengths.sigma)), at most \(lengths.tokensMax)"
    }
}
