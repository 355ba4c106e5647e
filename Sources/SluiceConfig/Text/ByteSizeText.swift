/// Counts of bytes as written: `65536`, `64KiB`, `64Ki`, `32KB`, `1GiB`; KB is 1,000, KiB 1,024.
enum ByteSizeText {
    private static let units: [(name: String, bytes: Int)] = [
        ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10),
        ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000),
        ("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10), ("B", 1),
    ]

    static let form = "bytes, or a number with KiB, MiB, GiB (binary) or KB, MB, GB (1,000)"
    /// The same for JSON schema.
    static let pattern = "^[0-9]+([KMGT](iB|i|B)|B)?$"

    /// Reads a size in bytes.
    static func parse(_ text: String) throws(ValueProblem) -> Int {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let name = text.dropFirst(digits.count).drop { $0 == " " }
        guard !digits.isEmpty else {
            throw ValueProblem("\(quoted(text)) is not a size", advice: "Expected \(form).")
        }
        guard let unit = name.isEmpty ? ("", 1) : units.first(where: { $0.name == name }) else {
            let letter = name.prefix(1).uppercased()
            if ["K", "M", "G", "T"].contains(letter) {
                throw ValueProblem(
                    "\(quoted(text)) has an unclear unit",
                    advice: "Write \(digits)\(letter)iB (binary) or \(digits)\(letter)B (decimal).")
            }
            throw ValueProblem("\(quoted(text)) is not a size", advice: "Expected \(form).")
        }
        guard let count = Int(digits) else {
            throw ValueProblem("\(quoted(text)) is too large a number")
        }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: unit.1)
        guard !overflow else { throw ValueProblem("\(quoted(text)) is too large a number") }
        return bytes
    }

    /// The size in the largest binary unit that is exact: `64MiB`, `65KiB`, `1000`.
    static func text(_ bytes: Int) -> String {
        for unit in units.prefix(4) where bytes >= unit.bytes && bytes % unit.bytes == 0 {
            return "\(bytes / unit.bytes)\(unit.name)"
        }
        return "\(bytes)"
    }
}
