/// A value as written, with its place: what files, environment and flags all become first,
/// so that one reader checks them and the same mistake gets the same words.
package struct SourceNode: Sendable, Equatable {
    package var origin: Origin
    package var content: Content

    package init(_ content: Content, at origin: Origin) {
        self.content = content
        self.origin = origin
    }

    package enum Content: Sendable, Equatable {
        /// Text as written, not yet read as a number or anything else.
        case scalar(String)
        /// `key:` with nothing behind it, or `~`.
        case empty
        case list([SourceNode])
        case mapping([Entry])
    }

    /// One `key: value` of a mapping; keys are unique.
    package struct Entry: Sendable, Equatable {
        package var key: String
        package var origin: Origin
        package var value: SourceNode
    }

    /// A scalar.
    static func text(_ text: String, at origin: Origin) -> SourceNode {
        SourceNode(.scalar(text), at: origin)
    }

    /// What the node is, for errors.
    var kindName: String {
        switch content {
        case .scalar: "a single value"
        case .empty: "empty"
        case .list: "a list"
        case .mapping: "a mapping (key: value)"
        }
    }

    /// The entry of a mapping with this key.
    subscript(key: String) -> SourceNode? {
        guard case .mapping(let entries) = content else { return nil }
        return entries.first { $0.key == key }?.value
    }

    /// Lays `other` on top: its values win, mappings are merged key by key, lists are replaced.
    func overlaid(with other: SourceNode) -> SourceNode {
        guard case .mapping(var entries) = content, case .mapping(let above) = other.content else {
            return other
        }
        for entry in above {
            if let index = entries.firstIndex(where: { $0.key == entry.key }) {
                entries[index].value = entries[index].value.overlaid(with: entry.value)
                entries[index].origin = entry.origin
            } else {
                entries.append(entry)
            }
        }
        return SourceNode(.mapping(entries), at: origin)
    }
}
