import ArgumentParser
import SluiceConfig
import SluiceExchange

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

    func validate() throws {
        guard (1...16).contains(replicas) else {
            throw ValidationError("--replicas is \(replicas); allowed: 1 … 16.")
        }
    }

    func run() throws {
        var flags = ServeFlags()
        flags.listen = listen
        flags.admin = admin
        flags.accessLog = "off"
        flags.replicas = try startSimulators()
        try run(settings: try loadConfiguration(flags).settings)
    }

    /// Starts the simulated replicas on ports of their own.
    ///
    /// - Returns: their URLs, `http://127.0.0.1:port`.
    func startSimulators() throws -> [String] {
        throw NotBuiltYet(command: "demo")
    }

    /// Runs gateway, traffic and table until Ctrl-C.
    func run(settings: GatewaySettings) throws {
        throw NotBuiltYet(command: "demo")
    }
}
