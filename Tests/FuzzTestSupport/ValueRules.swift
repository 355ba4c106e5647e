import SluiceBytes
import SluiceHTTP
import SluiceTelemetry
import SluiceTracing
import SluiceVLLM

/// Values that are accepted are the same when they are written and read again.
func valuesProblem(_ input: [UInt8]) -> String? {
    traceProblem(input) ?? textProblem(String(decoding: input, as: UTF8.self))
        ?? routeProblem(input) ?? loadProblem(input)
}

private func traceProblem(_ input: [UInt8]) -> String? {
    guard let context = TraceContext(input.span) else { return nil }
    var line = ByteBuffer()
    context.appendField(to: &line)
    // Between `traceparent: ` and CR LF.
    let value = line.array().dropFirst(13).dropLast(2)
    return TraceContext(Array(value).span) == context ? nil : "\(context) became another"
}

private func textProblem(_ text: String) -> String? {
    if let url = try? HTTPURL(text) {
        let again = try? HTTPURL(url.origin + url.path)
        if again != url { return "\(url) became \(String(describing: again))" }
        if !url.target.hasPrefix("/") { return "target \(url.target)" }
    }
    if let address = AddressText(text) {
        let separator = address.isIPv6 ? ":" : "."
        let parts =
            address.isIPv6 ? address.groups : address.groups.flatMap { [$0 >> 8, $0 & 255] }
        let written = parts.map { String($0, radix: address.isIPv6 ? 16 : 10) }
            .joined(separator: separator)
        if AddressText(written) != address { return "\(address) became another: \(written)" }
    }
    if let fields = try? FieldLinesText.read(text) {
        let written = fields.map { "\($0): \($1)" }
        guard let again = try? FieldLinesText.read(written.joined(separator: "\n")) else {
            return "lines that are refused: \(written)"
        }
        if again.map({ "\($0): \($1)" }) != written { return "\(fields) became \(again)" }
    }
    return nil
}

private func routeProblem(_ input: [UInt8]) -> String? {
    let match = RouteTable.match(input.span, input.indices)
    if match.route == .responsesByID {
        let id = Array(input[match.responseID])
        if !RouteTable.isResponseID(id.span) { return "no id: \(id)" }
    }
    return nil
}

private func loadProblem(_ input: [UInt8]) -> String? {
    guard let load = EndpointLoad(input.span) else { return nil }
    let isSound = load.waiting >= 0 && load.waiting <= 1e9 && (0...1).contains(load.kvUsage ?? 0)
    return isSound ? nil : "\(load)"
}
