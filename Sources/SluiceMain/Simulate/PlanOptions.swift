import ArgumentParser
import Foundation
import SluiceConfig
import SluiceSimulation
import SluiceTime

/// The flags of `sluice simulate` that describe a fleet and what is asked of it.
struct PlanOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Configuration: classes, tenants, replicas and bounds of a pool.", valueName: "file"))
    var config: String?
    @Option(help: ArgumentHelp("Pool of it. (default: the first)", valueName: "name"))
    var pool: String?
    @Option(
        help: ArgumentHelp(
            "Loads, separated by commas: 2x, multiples of what the fleet can do, or 50/s. With --trace: multiples of its rate.",
            valueName: "loads"))
    var load: String?
    @Option(
        help: ArgumentHelp(
            "Replay the arrivals that a gateway's arrival_trace wrote.", valueName: "file"))
    var trace: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Replicas, 1 … 256. (default: those of the pool, or 4)"))
    var replicas: Int?
    @Option(
        help: ArgumentHelp("Replicas that are lost, COUNT or COUNT@TIME.", valueName: "count"))
    var lose: [String] = []
    @Option(
        help: ArgumentHelp(
            "Replicas that are slower, COUNT:FACTOR or COUNT:FACTOR@TIME.", valueName: "count"))
    var slow: [String] = []
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Slots of a replica (--max-num-seqs), 1 … 65536. (default: 64)"))
    var slots: Int?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("KV cache of a replica in tokens, 100 … 1e9. (default: 110000)"))
    var kvTokens: Int?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("A step's cost before it does anything, ms. (default: 10)"))
    var stepBase: Double?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("What a decoding sequence adds to it, ms. (default: 0.12)"))
    var stepDecode: Double?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("What a prompt token adds to it, ms. (default: 0.04)"))
    var stepPrefill: Double?
    @Option(
        help: ArgumentHelp(
            "What a replica was measured to do, SEQUENCES:TOKENS/S,… or a /metrics page.",
            valueName: "points or file"))
    var fit: String?

    @Option(
        help: ArgumentHelp(
            "Tokens of prompts, MEDIAN[:SIGMA[:MAX]], lognormal. (default: 600:1:8000)",
            valueName: "lengths"))
    var prompt: String?
    @Option(
        help: ArgumentHelp(
            "Tokens of answers, alike. (default: 150:0.9:1500)", valueName: "lengths"))
    var output: String?
    @Option(
        help: ArgumentHelp("Classes of the requests, NAME=SHARE,…", valueName: "shares"))
    var classMix: String?
    @Option(
        help: ArgumentHelp("Tenants of the requests, NAME=SHARE,…", valueName: "shares"))
    var tenantMix: String?
    @Flag(help: "Requests come in bursts: twice the load for 4 s, half of it for 8 s, on average.")
    var bursts = false
    @Option(
        help: ArgumentHelp(
            "What refused clients do, up to 3 tries: never, naive, exponential, retry-after.",
            valueName: "style"))
    var retries = "never"
    @Option(help: ArgumentHelp("How long clients wait for a first token.", valueName: "time"))
    var patience = "30s"

    @Option(
        help: ArgumentHelp(
            "Objective for the first token. (default: that of the classes, or 2s)",
            valueName: "time"))
    var ttftSlo: String?
    @Option(
        help: ArgumentHelp(
            "Objective for the mean time per token, or off. (default: that of the classes, or 60ms)",
            valueName: "time"))
    var tpotSlo: String?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Gateways in front of the fleet, 1 … 64. (default: 1)"))
    var gateways: Int?
    @Option(
        help: ArgumentHelp(
            "How often metrics are read, or off. (default: that of the pool, or 1s)",
            valueName: "time"))
    var scrape: String?

    @Option(help: ArgumentHelp("Simulated time that counts, 1s … 24h.", valueName: "time"))
    var duration: String?
    @Option(help: ArgumentHelp("Simulated time before it.", valueName: "time"))
    var warmUp = "30s"
    @Option(parsing: .unconditional, help: "Where all randomness starts.")
    var seed: UInt64 = 1
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Columns of the picture, 40 … 400. (default: those of the terminal)"))
    var width: Int?
    @Option(help: ArgumentHelp("Write the picture as SVG.", valueName: "file"))
    var svg: String?

    /// Whether a load or a recording is given.
    var isAsked: Bool { load != nil || trace != nil }

    /// Loads of one question at most.
    static let loadsMax = 32

    func loads() throws -> [PlannedLoad] {
        let texts = (load ?? "1x").split(separator: ",", omittingEmptySubsequences: false)
        guard texts.count <= Self.loadsMax else {
            throw ValidationError("--load: at most \(Self.loadsMax) loads.")
        }
        let loads = try texts.map { text in
            try checked("--load") { () throws(PlanTextError) in try PlannedLoad(String(text)) }
        }
        for load in loads where trace != nil {
            if case .perSecond = load {
                throw ValidationError(
                    "--load \(load): a --trace has a rate of its own; say a multiple of it, such as 1.5x."
                )
            }
        }
        return loads
    }

    /// What can be checked without reading a file.
    func validate() throws {
        try inRange("--replicas", replicas, 1...256)
        try inRange("--slots", slots, 1...65_536)
        try inRange("--kv-tokens", kvTokens, 100...1_000_000_000)
        try inRange("--step-base", stepBase, 0.001...10_000)
        try inRange("--step-decode", stepDecode, 0...1_000)
        try inRange("--step-prefill", stepPrefill, 0.000_01...1_000)
        try inRange("--gateways", gateways, 1...64)
        try inRange("--width", width, 40...400)
        _ = try loads()
        _ = try misfortunes()
        _ = try measured()
        _ = try warmUpSpan()
        _ = try client()
        _ = try firstTokenObjective()
        _ = try tokenGapObjective()
        _ = try scrapeInterval()
        if pool != nil, config == nil {
            throw ValidationError("--pool names a pool of a --config.")
        }
        if trace != nil, classMix != nil || tenantMix != nil || bursts || prompt != nil {
            throw ValidationError(
                "--trace says itself who asks for what, and when: leave --class-mix, --tenant-mix, --prompt and --bursts out."
            )
        }
    }

    func misfortunes() throws -> [Misfortune] {
        let span = { (text: String) in DurationText.span(text) }
        return try lose.map { text in
            try checked("--lose") { () throws(PlanTextError) in
                try Misfortune.loss(text, span: span)
            }
        }
            + slow.map { text in
                try checked("--slow") { () throws(PlanTextError) in
                    try Misfortune.slow(text, span: span)
                }
            }
    }

    func measured() throws -> Nanoseconds? {
        try duration.map { try span("--duration", $0, .seconds(1) ... .seconds(86_400)) }
    }

    func warmUpSpan() throws -> Nanoseconds {
        try span("--warm-up", warmUp, .zero ... .seconds(86_400))
    }

    func firstTokenObjective() throws -> Nanoseconds? {
        try ttftSlo.map { try span("--ttft-slo", $0, .milliseconds(1) ... .seconds(3_600)) }
    }

    /// Nil where there is none: because none is given, or because it is off.
    func tokenGapObjective() throws -> Nanoseconds? {
        guard let tpotSlo, tpotSlo != "off" else { return nil }
        return try span("--tpot-slo", tpotSlo, .milliseconds(1) ... .seconds(60))
    }

    /// Nil where none is given, or where it is off.
    func scrapeInterval() throws -> Nanoseconds? {
        guard let scrape, scrape != "off" else { return nil }
        return try span("--scrape", scrape, .milliseconds(10) ... .seconds(3_600))
    }

    func client() throws -> ClientBehaviour {
        var client = ClientBehaviour()
        switch retries {
        case "never": client.retries = .never
        case "naive": client.retries = .naive
        case "exponential": client.retries = .exponential
        case "retry-after": client.retries = .retryAfter
        default:
            throw ValidationError(
                "--retries: \"\(retries)\" is none of never, naive, exponential, retry-after.")
        }
        client.triesMax = client.retries == .never ? 1 : 3
        client.patience = try span("--patience", patience, .milliseconds(1) ... .seconds(3_600))
        return client
    }

    /// Bytes of a file that a flag names: at most 1 GiB.
    static func bytes(of path: String, flag: String) throws -> [UInt8] {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw ValidationError("\(flag): \(path) cannot be read.")
        }
        defer { try? file.close() }
        let data = try file.read(upToCount: fileBytesMax + 1) ?? Data()
        guard data.count <= fileBytesMax else {
            throw ValidationError("\(flag): \(path) is larger than 1 GiB.")
        }
        return Array(data)
    }

    private static let fileBytesMax = 1 << 30

    /// A time with a unit inside a range.
    private func span(
        _ flag: String, _ text: String, _ range: ClosedRange<Nanoseconds>
    ) throws -> Nanoseconds {
        guard let span = DurationText.span(text), range.contains(span) else {
            throw ValidationError(
                "\(flag): \"\(text)\" is not allowed: a time of \(DurationText.text(range.lowerBound)) … \(DurationText.text(range.upperBound)), \(DurationText.form)."
            )
        }
        return span
    }

    private func inRange<Value: Comparable>(
        _ flag: String, _ value: Value?, _ range: ClosedRange<Value>
    ) throws {
        guard let value, !range.contains(value) else { return }
        throw ValidationError(
            "\(flag): \(value) is not allowed: \(range.lowerBound) … \(range.upperBound).")
    }

    /// Names the flag in an error about its value.
    func checked<Value>(_ flag: String, _ body: () throws(PlanTextError) -> Value) throws -> Value {
        do {
            return try body()
        } catch {
            throw ValidationError("\(flag): \(error).")
        }
    }
}
