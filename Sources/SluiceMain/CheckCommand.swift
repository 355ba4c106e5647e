import ArgumentParser
import SluiceConfig

/// `sluice check FILE`: says whether `serve` would start with it.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check a configuration file without starting anything.",
        discussion: """
            Prints every error with file, line, column, what is allowed and what was probably \
            meant, and leaves with status 2; or prints OK and a summary. Certificates, keys and \
            the SLUICE_ variables of the environment are checked too; names of hosts are not \
            looked up (`sluice doctor` does that).

            EXAMPLES
              sluice check /etc/sluice/sluice.yaml
              sluice check --show sluice.yaml | jq .timeouts
            """)

    @Flag(help: "Print all settings in force, defaults included, as JSON; no secrets.")
    var show = false

    @Argument(help: "The YAML file.")
    var file: String

    func run() throws {
        var flags = ServeFlags()
        flags.config = file
        flags.configOrigin = "sluice check"
        var configuration = try loadConfiguration(flags)
        do throws(ConfigurationError) {
            configuration.warnings += try checkFiles(configuration)
        } catch {
            printError(error.text)
            throw configurationExitCode
        }
        if show {
            for warning in configuration.warnings { printError("warning: \(warning)\n") }
            print(Configuration.render(configuration.settings), terminator: "")
        } else {
            print("OK: \(file)")
            print(configuration.summary, terminator: "")
        }
    }
}
