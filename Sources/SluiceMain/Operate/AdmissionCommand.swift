import ArgumentParser
import SluiceBytes
import SluiceHTTP
import SluiceTraffic

/// `sluice admission`: shows or changes at once whether verdicts are carried out.
struct AdmissionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "admission",
        abstract: "Show or change whether a running gateway carries out its verdicts.",
        discussion: """
            enforce refuses, shadow counts what it would have refused and refuses nothing, off does \
            neither. An order is in force at once and until the next one, a reload included; a \
            restart forgets it. Each gateway has its own.

            EXAMPLES
              sluice admission
              sluice admission --pool llama --mode shadow
              sluice admission --admin http://10.0.0.5:9801 --mode enforce
            """)

    @OptionGroup var client: AdminClient

    @Option(help: "Pool to change. (default: the only one)")
    var pool: String?

    @Option(help: "enforce, shadow or off. (default: show the modes, change nothing)")
    var mode: String?

    func validate() throws {
        let modes = AdmissionPolicy.Mode.allCases.map(\.rawValue)
        guard let mode else {
            guard pool == nil else {
                throw ValidationError("--pool says whose mode to change: give --mode too")
            }
            return
        }
        guard modes.contains(mode) else {
            throw ValidationError(
                "--mode is one of \(modes.joined(separator: ", ")), not '\(mode)'")
        }
    }

    func run() throws {
        guard let mode else { return try client.ask(.get, "/admission") }
        let which = pool.map { "pool=\(PercentText.encoded($0))&" } ?? ""
        try client.ask(.post, "/admission?\(which)mode=\(mode)")
    }
}
