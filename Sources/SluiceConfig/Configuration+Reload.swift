import SluiceExchange

extension Configuration {
    /// Keys in which two settings differ, as they stand in the file: `timeouts.connect`,
    /// `pools[0].usage`; a list of another length is named as a whole.
    package static func changedKeys(from old: GatewaySettings, to new: GatewaySettings) -> [String]
    {
        var keys: [String] = []
        let shown = [old, new].map { showMapping(GatewayDraft($0), SettingsKeys.top) }
        collect(shown[0], shown[1], "", into: &keys)
        return keys
    }

    private static func collect(
        _ old: RenderedValue, _ new: RenderedValue, _ path: String, into keys: inout [String]
    ) {
        guard old != new else { return }
        switch (old, new) {
        case (.object(let before), .object(let after)):
            var names = before.map(\.key)
            for entry in after where !names.contains(entry.key) { names.append(entry.key) }
            for name in names {
                let below = path.isEmpty ? name : "\(path).\(name)"
                let pair = [before, after].map { $0.first { $0.key == name }?.value }
                if let a = pair[0], let b = pair[1] {
                    collect(a, b, below, into: &keys)
                } else {
                    keys.append(below)
                }
            }
        case (.list(let before), .list(let after)) where before.count == after.count:
            for index in before.indices {
                collect(before[index], after[index], "\(path)[\(index)]", into: &keys)
            }
        default: keys.append(path)
        }
    }
}
