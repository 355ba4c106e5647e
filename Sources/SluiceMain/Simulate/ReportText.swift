import Foundation
import SluiceBench

// What the answers of `sluice simulate` have in common.

extension Figure {
    /// A share of 1 as percent, to a tenth.
    static func share(_ value: Double) -> String { fixed(value * 100, 1) + " %" }

    /// Seconds to a hundredth; a dash where there are none.
    static func seconds(_ value: Double?) -> String { value.map { fixed($0, 2) + " s" } ?? "–" }
}

extension Encodable {
    /// As one JSON object with sorted keys in snake case, and a line's end.
    func reportJSON() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }
}
