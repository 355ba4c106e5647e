import ArgumentParser
import Foundation
import SluiceConfig

/// Exit status of a wrong configuration.
let configurationExitCode = ExitCode(2)

/// Writes to standard error.
func printError(_ text: String) {
    FileHandle.standardError.write(Data(text.utf8))
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
