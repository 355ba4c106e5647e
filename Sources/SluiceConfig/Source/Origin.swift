/// Where an operator wrote a value.
package enum Origin: Sendable, Equatable {
    /// A place in a file; line and column count from 1, columns in Unicode scalars.
    case file(name: String, line: Int, column: Int)
    /// An environment variable, such as `SLUICE_LISTEN`.
    case environment(String)
    /// A command line flag, such as `--listen`.
    case flag(String)
    /// Nowhere: a default, or what is missing altogether.
    case unstated

    /// What errors begin with: `sluice.yaml:12:9`, `SLUICE_LISTEN`, `--listen`.
    package var description: String {
        switch self {
        case .file(let name, let line, let column): "\(name):\(line):\(column)"
        case .environment(let name): "environment \(name)"
        case .flag(let name): name
        case .unstated: "configuration"
        }
    }

    /// The directory that relative file names are relative to: that of the file, else the process's.
    var baseDirectory: String? {
        switch self {
        case .file(let name, _, _):
            name.lastIndex(of: "/").map { String(name[..<$0]) }.map { $0.isEmpty ? "/" : $0 }
        case .environment, .flag, .unstated: nil
        }
    }

    /// Position for sorting errors as a reader of the file meets them; others come first.
    var order: (Int, Int) {
        switch self {
        case .file(_, let line, let column): (line, column)
        case .environment, .flag, .unstated: (0, 0)
        }
    }
}
