import ArgumentParser
import SluiceConfig
import SluiceExchange

/// `sluice doctor`: asks replicas what they offer.
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Ask vLLM servers for version, models, signals, keep-alive and authentication.",
        discussion: """
            EXAMPLES
              sluice doctor --replica http://127.0.0.1:8000
              sluice doctor --config /etc/sluice/sluice.yaml
            """)

    @OptionGroup var options: ServeOptions

    func run() throws {
        try run(settings: try loadConfiguration(options.flags).settings)
    }

    /// Examines every replica of every pool and prints what it found.
    func run(settings: GatewaySettings) throws {
        throw NotBuiltYet(command: "doctor")
    }
}
