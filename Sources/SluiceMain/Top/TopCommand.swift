import ArgumentParser
import SluiceReactor
import SluiceTime

/// `sluice top`: a running gateway's live page, in a terminal.
struct TopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Watch a running gateway: first tokens, queue, refusals, replicas.",
        discussion: """
            Shows what the page /dashboard of the admin listener shows, a quarter of an hour back. \
            Where output is no terminal it prints a line a second. q or Ctrl-C ends it.

            EXAMPLES
              sluice top
              sluice top --admin http://10.0.0.5:9801
              sluice top --duration 60s | tee incident.log
            """)

    @OptionGroup var client: AdminClient

    @Option(help: ArgumentHelp("Stop after so long. (default: never)", valueName: "time"))
    var duration: String?

    func validate() throws {
        if let duration { _ = try span(duration, "--duration") }
    }

    func run() throws {
        let signals = try SignalSource()
        let top = try Top(
            client.admin, try client.target(),
            duration: try duration.map { try span($0, "--duration") })
        guard try top.run(signals) else { throw ExitCode(1) }
    }
}
