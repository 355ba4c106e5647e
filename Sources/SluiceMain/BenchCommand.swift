import ArgumentParser
import Foundation
import SluiceBench
import SluiceConfig
import SluiceEndpoint
import SluiceReactor
import SluiceTime
import SluiceVLLM

/// `sluice bench URL`: a load test of any OpenAI endpoint.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Load-test an OpenAI endpoint: first tokens, gaps, goodput.",
        discussion: """
            Sends chat completions, streaming unless told otherwise, and prints a table. Closed \
            loop: so many clients, each of which waits for its answer (--concurrency). Open loop: \
            requests arrive at random at a rate, whatever the answers do (--rate); clocks start \
            at the arrival. Ends after --requests or --duration (30s), then gives what is under \
            way --grace to end. Ctrl-C ends it early, with the table. A request counts as goodput \
            when it succeeds within every --slo given. Fails (status 1) when nothing succeeded.

            Lengths are fixed:200, uniform:50-500 or lognormal:600,1.0 (median in tokens and sigma).

            EXAMPLES
              sluice bench http://127.0.0.1:8080
              sluice bench http://127.0.0.1:8080 --concurrency 64 --requests 2000
              sluice bench http://127.0.0.1:8080 --rate 20 --duration 2m \\
                --prompt-tokens lognormal:600,1.0 --output-tokens uniform:50-400 \\
                --slo-ttft 500ms --slo-tpot 60ms --json result.json
              OPENAI_API_KEY=… sluice bench https://llm.example.com --model m --requests 50
            """)

    @Argument(help: "The endpoint, http://host:port; a /v1 at its end is allowed.")
    var url: String

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Closed loop: clients, 1 … 4096. (default: 8)", valueName: "count"))
    var concurrency: Int?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Open loop: requests per second.", valueName: "per-second"))
    var rate: Double?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Begin no more than so many.", valueName: "count"))
    var requests: Int?
    @Option(
        help: ArgumentHelp(
            "Begin none after so long. (default: 30s; 1h with --requests)", valueName: "time"))
    var duration: String?
    @Option(help: ArgumentHelp("How long the last ones may take to end.", valueName: "time"))
    var grace = "30s"
    @Option(help: ArgumentHelp("One request's longest time.", valueName: "time"))
    var timeout = "10m"
    @Option(
        help: ArgumentHelp("Model. (default: the first of /v1/models)", valueName: "name"))
    var model: String?
    @Option(help: ArgumentHelp("Tokens of prompts.", valueName: "lengths"))
    var promptTokens = "lognormal:200,0.8"
    @Option(help: ArgumentHelp("Tokens of answers at most.", valueName: "lengths"))
    var outputTokens = "lognormal:100,0.8"
    @Flag(inversion: .prefixedNo, help: "Ask for event streams.")
    var stream = true
    @Option(help: ArgumentHelp("Objective: time to the first token.", valueName: "time"))
    var sloTtft: String?
    @Option(help: ArgumentHelp("Objective: mean time per further token.", valueName: "time"))
    var sloTpot: String?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Share of streams whose client leaves in the middle, 0 … 1.", valueName: "share"))
    var abortRatio = 0.0
    @Option(help: "Where all randomness starts.")
    var seed: UInt64 = 1
    @Option(
        help: ArgumentHelp("File with the API key. (default: OPENAI_API_KEY)", valueName: "file"))
    var apiKeyFile: String?
    @Option(
        name: .customLong("ca-file"),
        help: ArgumentHelp("CAs to believe for https. (default: the system's)", valueName: "file"))
    var authorityFile: String?
    @Option(
        help: ArgumentHelp("Write the result as JSON, - for standard output.", valueName: "file"))
    var json: String?

    func validate() throws {
        do throws(LoadTarget.Problem) {
            try LoadTarget.check(url)
        } catch {
            throw ValidationError(error.description)
        }
        _ = try plan()
        _ = try apiKey(file: apiKeyFile)
    }

    func run() throws {
        var plan = try plan()
        plan.apiKey = try apiKey(file: apiKeyFile)
        if let json, json != "-" { try requireWritable(json) }
        do {
            let signals = try SignalSource()
            let target = try LoadTarget(url: url, authorityFile: authorityFile)
            let loop = try EndpointLoop()
            if plan.model.isEmpty { plan.model = try firstModel(target, plan.apiKey, loop) }
            try measure(plan, target, loop, signals)
        } catch let problem as LoadTarget.Problem {
            printError("sluice bench: \(problem)\n")
            throw ExitCode(1)
        }
    }

    private func measure(
        _ plan: LoadPlan, _ target: LoadTarget, _ loop: EndpointLoop, _ signals: SignalSource
    ) throws {
        let generator = LoadGenerator(plan: plan, target: target, on: loop)
        _ = try loop.watch(signals.descriptor, .read) { _ in
            while signals.next() != nil { generator.stop() }
        }
        let progress = ProgressLine()
        generator.begin()
        while !generator.isOver {
            loop.turn(maxWait: .milliseconds(250))
            progress.show(at: loop.now) { generator.currentReport().progress(plan: plan) }
        }
        progress.clear()
        let report = generator.currentReport()
        let table = report.table(plan: plan, url: target.url)
        if json == "-" {
            print(report.json(plan: plan, url: target.url), terminator: "")
            printError(table)
        } else {
            print(table, terminator: "")
            if let json { try write(report.json(plan: plan, url: target.url), to: json) }
        }
        if report.succeeded == 0, report.begun > 0 {
            printError("sluice bench: no request succeeded\n")
            throw ExitCode(1)
        }
    }

    /// Fails before the test rather than after it where its result could not be written.
    private func requireWritable(_ path: String) throws {
        let manager = FileManager.default
        let directory = URL(fileURLWithPath: path).deletingLastPathComponent().path
        let problem: String
        if (try? URL(fileURLWithPath: path).resourceValues(forKeys: [.isDirectoryKey]))?
            .isDirectory == true
        {
            problem = "it is a directory"
        } else if !manager.fileExists(atPath: directory) {
            problem = "there is no directory \(directory)"
        } else if !manager.isWritableFile(
            atPath: manager.fileExists(atPath: path) ? path : directory)
        {
            problem = "permission denied"
        } else {
            return
        }
        printError("sluice bench: --json: cannot write \(path): \(problem)\n")
        throw ExitCode(1)
    }

    private func write(_ text: String, to path: String) throws {
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        } catch {
            printError("sluice bench: cannot write \(path): \(error.localizedDescription)\n")
            throw ExitCode(1)
        }
    }

    /// The first model of `/v1/models`.
    private func firstModel(
        _ target: LoadTarget, _ apiKey: String?, _ loop: EndpointLoop
    ) throws -> String {
        let request = HTTPClient.request(.get, "/v1/models", at: target, apiKey: apiKey)
        let answer = HTTPClient(on: loop).fetchNow(request, at: target, on: loop)
        let problem: String
        switch answer {
        case .success(let answer) where answer.status == 200:
            let body = answer.body
            if let model = (try? ModelList(body.span))?.models.first { return model.id }
            problem = "\(target.url)/v1/models names no model; give one with --model"
        case .success(let answer) where answer.status == 401 || answer.status == 403:
            problem =
                "\(target.url)/v1/models: HTTP \(answer.status); "
                + (apiKey == nil
                    ? "give the key with --api-key-file or OPENAI_API_KEY"
                    : "the key in \(apiKeyFile ?? "OPENAI_API_KEY") is not accepted")
        case .success(let answer):
            problem =
                "\(target.url)/v1/models: HTTP \(answer.status); is this an OpenAI endpoint? --model skips this question"
        case .failure(let failure): problem = "\(target.url): \(failure.sentence)"
        }
        printError("sluice bench: \(problem)\n")
        throw ExitCode(1)
    }

    /// The plan that the flags describe. - Throws: at the first wrong flag, saying what is allowed.
    private func plan() throws -> LoadPlan {
        var plan = LoadPlan()
        if concurrency != nil, rate != nil {
            throw ValidationError(
                "--concurrency is a closed loop and --rate an open one: give one.")
        }
        if let concurrency {
            guard (1...4_096).contains(concurrency) else {
                throw ValidationError("--concurrency is \(concurrency); allowed: 1 … 4096.")
            }
            plan.arrivals = .closed(concurrency: concurrency)
        }
        if let rate {
            guard rate > 0, rate <= 100_000 else {
                throw ValidationError("--rate is \(rate); allowed: more than 0, at most 100000.")
            }
            plan.arrivals = .open(ratePerSecond: rate)
        }
        if let requests {
            guard (1...100_000_000).contains(requests) else {
                throw ValidationError("--requests is \(requests); allowed: 1 … 100000000.")
            }
            plan.requestsMax = requests
            plan.duration = .seconds(3_600)
        }
        if let duration { plan.duration = try span(duration, "--duration") }
        plan.graceMax = try span(grace, "--grace")
        plan.requestMax = try span(timeout, "--timeout")
        plan.model = model ?? ""
        plan.promptTokens = try lengths(promptTokens, "--prompt-tokens")
        plan.outputTokens = try lengths(outputTokens, "--output-tokens")
        plan.streams = stream
        plan.objective = LoadObjective(
            timeToFirstToken: try sloTtft.map { try span($0, "--slo-ttft") },
            timePerToken: try sloTpot.map { try span($0, "--slo-tpot") })
        guard (0...1).contains(abortRatio) else {
            throw ValidationError("--abort-ratio is \(abortRatio); allowed: 0 … 1.")
        }
        guard abortRatio == 0 || stream else {
            throw ValidationError("--abort-ratio needs streams: leave --no-stream out.")
        }
        guard stream || sloTpot == nil else {
            throw ValidationError("--slo-tpot needs streams: leave --no-stream out.")
        }
        plan.abortRatio = abortRatio
        plan.seed = seed
        return plan
    }

    private func lengths(_ text: String, _ flag: String) throws -> LengthDistribution {
        guard let lengths = LengthDistribution(text) else {
            throw ValidationError("\(flag) is '\(text)'; write \(LengthDistribution.form).")
        }
        return lengths
    }
}

/// A span of time given to a flag, more than zero and at most a week.
func span(_ text: String, _ flag: String) throws -> Nanoseconds {
    guard let span = DurationText.span(text), span > .zero, span <= .seconds(7 * 86_400) else {
        throw ValidationError("\(flag) is '\(text)'; write \(DurationText.form), at most 7d.")
    }
    return span
}

/// The API key in a file or, without one, in `OPENAI_API_KEY`; nil where there is none.
func apiKey(file: String?) throws -> String? {
    guard let file else {
        let key = ProcessInfo.processInfo.environment["OPENAI_API_KEY"] ?? ""
        guard key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw ValidationError("OPENAI_API_KEY holds bytes that no header may carry.")
        }
        return key.isEmpty ? nil : key
    }
    guard FileManager.default.fileExists(atPath: file) else {
        throw ValidationError("--api-key-file: \(file) does not exist.")
    }
    guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
        throw ValidationError("--api-key-file: \(file) cannot be read.")
    }
    let key = text.trimmingCharacters(in: .whitespacesAndNewlines)
    guard !key.isEmpty, key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
        throw ValidationError("--api-key-file: \(file) must hold one key and nothing else.")
    }
    return key
}
