import ArgumentParser
import Foundation
import SluiceEndpoint
import SluiceReactor
import SluiceTime
import VLLMSimulator

/// `vllm-sim`: one simulated vLLM server on a port.
@main struct VLLMSim: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vllm-sim",
        abstract: "A simulated vLLM 0.23 server: its API, streams, metrics and failures, no model.",
        discussion: """
            Answers chat, completions, responses and embeddings (streamed or not), models, health, \
            ping, version, load and metrics. Faults are set over HTTP; GET /sim/faults lists them, \
            DELETE /sim/faults ends them.

            EXAMPLES
              vllm-sim --listen 127.0.0.1:8101
              vllm-sim --model tiny --model tiny-lora --api-key secret
              vllm-sim --fixed-ttft-ms 200 --fixed-gap-ms 50
              curl -d '{"hang_after_events": 5}' 127.0.0.1:8101/sim/faults
            """)

    @Option(
        help: ArgumentHelp(
            "Address and port; port 0 lets the kernel choose.", valueName: "ip:port"))
    var listen = "127.0.0.1:8000"
    @Option(
        help: ArgumentHelp(
            "Served model; further ones are its LoRA adapters. May be repeated. (default: sim)",
            valueName: "name"))
    var model: [String] = []
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Where all randomness starts.", valueName: "number"))
    var seed: UInt64 = 1
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("How often faster than life the engine runs.", valueName: "factor"))
    var speed = 1.0
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Sequences that run at once, as vLLM's --max-num-seqs.", valueName: "count"))
    var maxNumSeqs = SimulatedReplica.Configuration().engine.sequencesMax
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Tokens that fit into the KV cache.", valueName: "count"))
    var kvTokens = SimulatedReplica.Configuration().engine.cacheTokensMax
    @Flag(help: "Prompts that begin alike are computed once, as vLLM's flag of this name does.")
    var enablePrefixCaching = false
    @Option(
        help: ArgumentHelp("Bearer token that /v1 asks for. (default: none)", valueName: "token"))
    var apiKey: String?
    @Option(
        name: .customLong("fixed-ttft-ms"), parsing: .unconditional,
        help: ArgumentHelp(
            "Time to the first token of every stream, instead of the engine's model.",
            valueName: "ms"))
    var fixedFirstTokenMilliseconds: Double?
    @Option(
        name: .customLong("fixed-gap-ms"), parsing: .unconditional,
        help: ArgumentHelp(
            "Time between tokens of every stream, instead of the engine's model.",
            valueName: "ms"))
    var fixedGapMilliseconds: Double?
    @Option(
        name: .customLong("keep-alive-s"), parsing: .unconditional,
        help: ArgumentHelp("Close idle connections after so many seconds.", valueName: "s"))
    var keepAliveSeconds = 5.0
    @Flag(help: "Answers carry the request's X-Request-Id.")
    var enableRequestIdHeaders = false
    @Flag(help: "/load counts requests.")
    var enableServerLoadTracking = false

    func validate() throws {
        try Self.check("--speed", speed, 0.001...100_000)
        try Self.check("--keep-alive-s", keepAliveSeconds, 0...86_400)
        if let value = fixedFirstTokenMilliseconds {
            try Self.check("--fixed-ttft-ms", value, 0...3_600_000)
        }
        if let value = fixedGapMilliseconds {
            try Self.check("--fixed-gap-ms", value, 0.001...3_600_000)
        }
        if !(1...1_000_000).contains(maxNumSeqs) {
            throw ValidationError("--max-num-seqs must be from 1 to 1000000, not \(maxNumSeqs).")
        }
        if !(2...1_000_000_000).contains(kvTokens) {
            throw ValidationError("--kv-tokens must be from 2 to 1000000000, not \(kvTokens).")
        }
        if SocketAddress(listen) == nil {
            throw ValidationError(
                "--listen must be an address literal and a port such as 127.0.0.1:8101 or [::1]:8101, not \"\(listen)\"."
            )
        }
        if model.contains("") { throw ValidationError("--model must not be empty.") }
    }

    private static func check(
        _ option: String, _ value: Double, _ range: ClosedRange<Double>
    ) throws {
        guard range.contains(value) else {
            throw ValidationError(
                "\(option) must be from \(range.lowerBound) to \(range.upperBound), not \(value).")
        }
    }

    func run() throws {
        guard let address = SocketAddress(listen) else { return }
        do throws(SystemError) {
            // Before anything else: signals must be blocked in every thread.
            let signals = try SignalSource()
            let loop = try EndpointLoop()
            let server = try SimulatorServer(
                replica, listen: address, keepAlive: .seconds(clamping: keepAliveSeconds), on: loop)
            let watch = try loop.watch(signals.descriptor, .read) { _ in
                while let signal = signals.next() { if signal != SIGHUP { loop.stop() } }
            }
            // Not `print`: whoever waits for the line may read it through a pipe.
            // Nobody reading it is no error: `write(_: Data)` would trap on a closed pipe.
            try? FileHandle.standardOutput.write(
                contentsOf: Data("vllm-sim ready on http://\(server.address)\n".utf8))
            loop.run()
            loop.unwatch(watch, signals.descriptor)
            server.close()
        } catch {
            try? FileHandle.standardError.write(
                contentsOf: Data(
                    "vllm-sim: cannot listen on \(listen): \(error.listenReason)\n".utf8))
            throw ExitCode.failure
        }
    }

    private var replica: SimulatedReplica.Configuration {
        var configuration = SimulatedReplica.Configuration()
        if !model.isEmpty { configuration.models = model }
        configuration.seed = seed
        configuration.apiKey = apiKey
        configuration.echoesRequestID = enableRequestIdHeaders
        configuration.tracksLoad = enableServerLoadTracking
        configuration.engine.speed = speed
        configuration.engine.sequencesMax = maxNumSeqs
        configuration.engine.keepsPrefixes = enablePrefixCaching
        configuration.engine.cacheTokensMax = kvTokens
        if fixedFirstTokenMilliseconds != nil || fixedGapMilliseconds != nil {
            configuration.engine.pace = .fixed(
                timeToFirstToken: .seconds(clamping: (fixedFirstTokenMilliseconds ?? 0) * 1e-3),
                gap: .seconds(clamping: (fixedGapMilliseconds ?? 50) * 1e-3))
        }
        return configuration
    }
}
