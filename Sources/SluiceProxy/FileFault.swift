import SluiceReactor

/// A certificate, key or other file of the settings that the gateway cannot use.
package struct FileFault: Error, Equatable, Sendable, CustomStringConvertible {
    /// Key path of the setting that names it, such as `pools[0].ca_file`.
    package let key: String
    /// What is wrong, with the name of the file: no full stop.
    package let problem: String

    /// - Parameter reason: what is wrong with the file, without its name.
    init(_ key: String, path: String, _ reason: String) {
        self.key = key
        problem = "`\(path)`: \(reason)"
    }

    /// - Parameter key: of the file that TLS was given, or of what needs TLS where there is none.
    init(_ key: String, _ error: TLSError) {
        self.key = key
        problem =
            if case .file(let path, let problem) = error {
                "`\(path)`: \(problem.text)"
            } else {
                "TLS: \(error)"
            }
    }

    package var description: String { "\(key): \(problem)" }
}

/// All such files of one configuration.
package struct FileFaults: Error, Equatable, Sendable, CustomStringConvertible {
    /// Each once.
    package private(set) var faults: [FileFault] = []

    /// A replica has the files of its pool: many may say the same.
    mutating func add(_ fault: FileFault) {
        if !faults.contains(fault) { faults.append(fault) }
    }

    package var description: String { faults.map(\.description).joined(separator: "; ") }
}
