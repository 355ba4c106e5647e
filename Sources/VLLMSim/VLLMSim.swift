import ArgumentParser
import Foundation
import SluiceEndpoint
import SluiceReactor
import SluiceTime
import VLLMSimulator

/// The program `vllm-sim`: a vLLM server without a GPU.
@main struct VLLMSim: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vllm-sim",
        abstract: "A simulated vLLM server: its HTTP, its streams, its metrics, no GPU.",
        discussion: """
            Faults are injected over HTTP, for example:
              curl -X POST http://127.0.0.1:8101/sim/faults -d '{"hang":true}'
              curl -X POST http://127.0.0.1:8101/sim/faults -d '{"die":true}'
              curl -X DELETE http://127.0.0.1:8101/sim/faults

            EXAMPLES
              vllm-sim --listen 127.0.0.1:8101
              vllm-sim --listen 127.0.0.1:8101 --model tiny --max-num-seqs 4 --speed 2
            """)

    @Option(help: "Address and port; port 0 lets the system choose.")
    var listen = "127.0.0.1:8000"
    @Option(help: "Served model; more are its LoRA adapters.")
    var model: [String] = []
    @Option(help: "Where all randomness starts.")
    var seed: UInt64 = 1
    @Option(help: "How many times faster than the modelled engine: 0.01 … 1000.")
    var speed = 1.0
    @Option(help: "Sequences that run at once: 1 … 65536.")
    var maxNumSeqs = 64
    @Option(help: "Tokens that fit the KV cache.")
    var kvTokens = 110_000
    @Option(help: "Key that /v1 requests must carry as a bearer token.")
    var apiKey: String?
    @Option(help: "Fixed pace: time to the first token; with --fixed-gap-ms.")
    var fixedTTFTMs: Int?
    @Option(help: "Fixed pace: time between tokens; with --fixed-ttft-ms.")
    var fixedGapMs: Int?
    @Option(help: "Seconds until an idle connection is closed.")
    var keepAliveS = 5

    func validate() throws {
        guard (0.01...1_000).contains(speed) else {
            throw ValidationError("--speed \(speed) is outside 0.01 … 1000")
        }
        guard (1...65_536).contains(maxNumSeqs) else {
            throw ValidationError("--max-num-seqs \(maxNumSeqs) is outside 1 … 65536")
        }
        guard kvTokens > 0 else { throw ValidationError("--kv-tokens must be positive") }
        guard (1...86_400).contains(keepAliveS) else {
            throw ValidationError("--keep-alive-s \(keepAliveS) is outside 1 … 86400")
        }
        guard (fixedTTFTMs == nil) == (fixedGapMs == nil) else {
            throw ValidationError("--fixed-ttft-ms and --fixed-gap-ms go together")
        }
    }

    func run() throws {
        guard let address = SocketAddress(listen) else {
            throw ValidationError("--listen '\(listen)' is not ADDRESS:PORT")
        }
        var configuration = SimulatedReplica.Configuration()
        if !model.isEmpty { configuration.models = model }
        configuration.seed = seed
        configuration.apiKey = apiKey
        configuration.engine.speed = speed
        configuration.engine.sequencesMax = maxNumSeqs
        configuration.engine.cacheTokensMax = kvTokens
        if let first = fixedTTFTMs, let gap = fixedGapMs {
            configuration.engine.pace = .fixed(
                timeToFirstToken: .milliseconds(Int64(first)), gap: .milliseconds(Int64(gap)))
        }
        do throws(SystemError) {
            try serve(configuration, at: address)
        } catch {
            FileHandle.standardError.write(
                Data("vllm-sim: cannot listen on \(listen): \(error.reason)\n".utf8))
            throw ExitCode(1)
        }
    }

    private func serve(_ configuration: SimulatedReplica.Configuration, at address: SocketAddress)
        throws(SystemError)
    {
        let signals = try SignalSource()
        let loop = try EndpointLoop()
        let server = try SimulatorServer(
            configuration, listen: address, on: loop, keepAlive: .seconds(Int64(keepAliveS)))
        _ = try loop.watch(signals.descriptor, .read) { _ in
            if signals.next() != nil { loop.stop() }
        }
        let line = "vllm-sim ready on http://\(server.address ?? address)\n"
        FileHandle.standardOutput.write(Data(line.utf8))
        loop.run()
        server.close()
    }
}
