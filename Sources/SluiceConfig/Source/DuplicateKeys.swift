/// Keys given twice in one mapping, until they are found again in the tree.
///
/// Yams stops at the first mapping with any and names the first place of one key only. The key
/// there is renamed in a copy of the text, which is read again: then all its places stand in one
/// mapping of the tree, whose path is known, in whatever style they are written.
struct DuplicateKeys {
    /// A key and the place where it was renamed.
    typealias Renamed = (key: String, place: SourceText.Place)

    /// In the order of their renaming.
    private(set) var renamed: [Renamed] = []

    /// Keys at most: each costs another reading of the file.
    static let renamedMax = 64
    /// Private-use scalars that replace the first of a key, by the number of the renaming.
    private static let markerMin: UInt32 = 0xE000

    /// Renames the key at its place; one scalar for one, so that columns stay.
    ///
    /// - Returns: false when there are too many, or when the key is none that can be renamed, such
    ///   as a list.
    mutating func rename(_ key: String, at place: SourceText.Place, in text: inout String) -> Bool {
        var lines = SourceText.lines(of: text)
        guard renamed.count < Self.renamedMax, lines.indices.contains(place.line - 1),
            let marker = Unicode.Scalar(Self.markerMin + UInt32(renamed.count))
        else { return false }
        var scalars = Array(lines[place.line - 1].unicodeScalars)
        var column = place.column - 1
        if scalars.indices.contains(column), "\"'".unicodeScalars.contains(scalars[column]) {
            column += 1
        }
        guard scalars.indices.contains(column),
            !"\"'[]{}&*!|>:,-?#%@`".unicodeScalars.contains(scalars[column])
        else { return false }
        scalars[column] = marker
        lines[place.line - 1] = Substring(String(String.UnicodeScalarView(scalars)))
        text = lines.joined(separator: "\n")
        renamed.append((key, place))
        return true
    }

    /// What a renamed key was before; nil for any other.
    func original(of key: String) -> String? {
        guard let first = key.unicodeScalars.first?.value, first >= Self.markerMin else {
            return nil
        }
        let number = Int(first - Self.markerMin)
        return renamed.indices.contains(number) ? renamed[number].key : nil
    }
}
