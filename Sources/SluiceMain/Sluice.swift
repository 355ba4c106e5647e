import ArgumentParser
import SluiceProxy

/// The program: `sluice serve|check|rules|doctor|demo|bench|simulate|top|diagnose|admission|cordon|uncordon`.
@main struct Sluice: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sluice",
        abstract: "A streaming reverse proxy for vLLM.",
        discussion: """
            EXAMPLES
              See it work, without a GPU and without arguments:
                sluice demo
              Two vLLM servers behind one address:
                sluice serve --replica http://10.0.0.1:8000 --replica http://10.0.0.2:8000
              The same from a file, checked first:
                sluice check sluice.yaml && sluice serve --config sluice.yaml
              Alerts for Prometheus, with the thresholds of the file:
                sluice rules --config sluice.yaml
              Ask a vLLM server what it offers:
                sluice doctor --replica http://10.0.0.1:8000
              Measure any OpenAI endpoint:
                sluice bench http://127.0.0.1:8080
              Simulate a fleet under overload:
                sluice simulate --scenario T3
              Watch a running gateway:
                sluice top
              Ask it what is wrong, and what has changed since yesterday:
                sluice diagnose --against 1d
              Refuse nothing from now on, and count what would have been refused:
                sluice admission --mode shadow

            EXIT STATUS
              0  done, or drained after SIGTERM
              1  failed while running
              2  the configuration is wrong, or an address cannot be listened on
              3  something is wrong with the gateway that was asked (diagnose)
              64 the command line is wrong
              130, 143  cut short by a second SIGINT or SIGTERM while it drained
            """,
        version: BuildInfo.version,
        subcommands: [
            ServeCommand.self, CheckCommand.self, RulesCommand.self, DoctorCommand.self,
            DemoCommand.self, BenchCommand.self, SimulateCommand.self, TopCommand.self,
            DiagnoseCommand.self, AdmissionCommand.self, CordonCommand.self, UncordonCommand.self,
        ])
}
