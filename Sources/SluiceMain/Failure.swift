import ArgumentParser
import Foundation
import SluiceConfig
import SluiceProxy

/// Exit status of a wrong configuration.
let configurationExitCode = ExitCode(2)

/// Writes to standard error; nobody reading it is not an error of ours.
func printError(_ text: String) {
    // What was printed before it must stand before it where both go to one place.
    fflush(nil)
    // Not `write(_: Data)`, which traps when the other end of a pipe is gone.
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
}

/// Loads the configuration, or prints what is wrong with it and leaves with status 2.
func loadConfiguration(_ flags: ServeFlags) throws -> Configuration {
    do throws(ConfigurationError) {
        return try Configuration.load(
            flags: flags, environment: ProcessInfo.processInfo.environment)
    } catch {
        printError(error.text)
        throw configurationExitCode
    }
}

/// Opens certificates, keys and CAs as the gateway will.
///
/// - Returns: warnings.
/// - Throws: all files that cannot be used, with the places that name them.
func checkFiles(_ configuration: Configuration) throws(ConfigurationError) -> [String] {
    do throws(FileFaults) {
        return try GatewayFiles.check(configuration.settings)
    } catch {
        throw configuration.error(error.faults.map { ($0.key, $0.problem) })
    }
}
