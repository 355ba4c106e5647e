import ArgumentParser
import SluiceConfig
import SluiceExchange
import SluiceReactor
import SluiceTime

/// `sluice demo`: simulated replicas, the gateway and gentle traffic in one process.
struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Simulated replicas, the gateway and gentle traffic; needs nothing.",
        usage: "sluice demo [<options>]",
        discussion: """
            Prints the addresses to try with curl and a live table; on a terminal, keys kill and \
            revive replicas and change the load. Ctrl-C stops everything.

            EXAMPLES
              sluice demo
              sluice demo --replicas 5 --rate 20
              sluice demo --no-load --listen 127.0.0.1:18080
              sluice demo --duration 30s | cat
            """)

    @Option(
        help: ArgumentHelp(
            "Where clients connect. (default: 127.0.0.1:8080, or a free port if that is taken)",
            valueName: "ip:port"))
    var listen: String?

    @Option(
        help: ArgumentHelp(
            "Listener of operators. (default: 127.0.0.1:9801, or a free port if that is taken)",
            valueName: "ip:port"))
    var admin: String?

    @Option(parsing: .unconditional, help: "Simulated vLLM servers, 1 … 9.")
    var replicas = 3

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Requests per second, 0.1 … 200.", valueName: "per-second"))
    var rate = 6.0

    @Flag(inversion: .prefixedNo, help: "Send requests; without, the gateway is yours alone.")
    var load = true

    @Option(help: ArgumentHelp("Stop after so long. (default: never)", valueName: "time"))
    var duration: String?

    func validate() throws {
        guard (1...9).contains(replicas) else {
            throw ValidationError("--replicas is \(replicas); allowed: 1 … 9.")
        }
        guard Demo.rates.contains(rate) else {
            throw ValidationError("--rate is \(rate); allowed: 0.1 … 200.")
        }
        if let duration { _ = try span(duration, "--duration") }
    }

    func run() throws {
        // Blocks the signals in this thread before any other starts: none of them can take one.
        let signals = try SignalSource()
        let simulators = try DemoReplicas(count: replicas)
        defer { simulators.stop() }
        var flags = ServeFlags()
        flags.listen = listen ?? Self.free("127.0.0.1:8080")
        flags.admin =
            admin
            ?? (flags.listen == "127.0.0.1:9801" ? "127.0.0.1:0" : Self.free("127.0.0.1:9801"))
        flags.accessLog = "off"
        flags.replicas = simulators.urls
        var settings = try loadConfiguration(flags).settings
        settings.timeouts.drainMax = .seconds(2)
        // A gentle load: not worth a word about the descriptors that many connections would take.
        settings.limits.connectionsMax = 5_000
        for index in settings.pools[0].replicas.indices {
            settings.pools[0].replicas[index].name = DemoReplicas.name(index)
        }
        let log = DemoLog()
        let gateway = try DemoGateway(settings: settings, log: log)
        let demo = try Demo(
            replicas: simulators, gateway: gateway, log: log, rate: load ? rate : nil,
            duration: try duration.map { try span($0, "--duration") })
        let failure = try demo.run(signals)
        gateway.join()
        if let failure {
            printError("sluice demo: \(failure)\n")
            throw configurationExitCode
        }
    }

    /// The address, or one with a port that the kernel chooses where somebody has it.
    private static func free(_ text: String) -> String {
        guard let address = SocketAddress(text),
            (try? ListenerSocket.open(address, sharesPort: false).address) == nil
        else { return text }
        printError(
            "sluice demo: \(text) is in use by another process; a free port is taken instead\n")
        return "127.0.0.1:0"
    }
}
