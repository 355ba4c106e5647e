import SluiceBytes

/// Asks the replica for usage in a stream: edits `stream_options`, never duplicates it.
package enum UsageInjection {
    /// One replacement in a body.
    package struct Edit: Equatable, Sendable {
        /// Bytes of the body that are replaced; empty for an insertion.
        package let range: Range<Int>
        package let text: StaticString
        package static func == (a: Edit, b: Edit) -> Bool {
            a.range == b.range && a.text.description == b.text.description
        }
    }

    /// The edit that makes the body ask for usage; nil where it already does or cannot.
    ///
    /// Changes nothing: a borrow of a value this large is passed as a copy of it.
    package static func edit(for peek: inout RequestPeek) -> Edit? {
        guard peek.error == nil, peek.facts.objectStart >= 0, peek.facts.isStream,
            !peek.facts.asksUsage
        else {
            return nil
        }
        switch peek.facts.options {
        case .absent:
            // The object is not empty: it has at least `stream`.
            return Edit(
                range: peek.facts.objectStart..<peek.facts.objectStart,
                text: "\"stream_options\":{\"include_usage\":true},")
        case .null(let range): return Edit(range: range, text: "{\"include_usage\":true}")
        case .object(let brace, let isEmpty):
            return Edit(
                range: brace..<brace,
                text: isEmpty ? "\"include_usage\":true" : "\"include_usage\":true,")
        case .includeUsage(let value): return Edit(range: value, text: "true")
        }
    }
}
