import ArgumentParser
import SluiceConfig
import SluiceExchange
import SluiceReactor
import SluiceTime
import VLLMSimulator

/// `sluice demo`: simulated replicas, the gateway and gentle traffic in one process.
struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Simulated replicas, the gateway and gentle traffic; needs nothing.",
        discussion: """
            Prints the addresses to try with curl and a live table. Ctrl-C stops everything.

            EXAMPLES
              sluice demo
              sluice demo --replicas 5 --listen 127.0.0.1:18080
            """)

    @Option(help: ArgumentHelp("Where clients connect.", valueName: "ip:port"))
    var listen = "127.0.0.1:8080"

    @Option(help: ArgumentHelp("Listener of operators.", valueName: "ip:port"))
    var admin = "127.0.0.1:9801"

    @Option(help: "Simulated vLLM servers, 1 … 16.")
    var replicas = 3

    @Option(help: "Users who chat all the time, 0 … 64; 0 leaves the gateway to you.")
    var users = 8

    func validate() throws {
        guard (1...16).contains(replicas) else {
            throw ValidationError("--replicas is \(replicas); allowed: 1 … 16.")
        }
        guard (0...64).contains(users) else {
            throw ValidationError("--users is \(users); allowed: 0 … 64.")
        }
    }

    func run() throws {
        // Blocks the signals in this thread before any other starts, so that none of them takes one.
        let signals = try SignalSource()
        let simulators = try startSimulators()
        defer { for simulator in simulators { simulator.stop() } }
        var flags = ServeFlags()
        flags.listen = listen
        flags.admin = admin
        flags.accessLog = "off"
        flags.replicas = simulators.map { "http://\($0.address)" }
        var settings = try loadConfiguration(flags).settings
        settings.timeouts.drainMax = .seconds(1)
        let show = DemoShow(users: users)
        defer { show.stop() }
        try ServeCommand.serve(settings) { addresses, _ in show.start(addresses) }
        withExtendedLifetime(signals) {}
    }

    /// Starts the replicas on ports of their own, each a little different from the others.
    private func startSimulators() throws -> [SimulatorThread] {
        var simulators: [SimulatorThread] = []
        for index in 0..<replicas {
            var configuration = SimulatedReplica.Configuration()
            configuration.models = ["demo-model"]
            configuration.seed = UInt64(index + 1)
            configuration.engine.sequencesMax = 4
            guard let address = SocketAddress("127.0.0.1:0") else { continue }
            simulators.append(try SimulatorThread(configuration, listen: address))
        }
        return simulators
    }
}
