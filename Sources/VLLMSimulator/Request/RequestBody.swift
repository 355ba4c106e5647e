import Foundation
import SluiceBytes

/// The members of a request's JSON object, read with vLLM's complaints.
///
/// Foundation does the parsing (bounded depth): a simulated request is a cold path.
struct RequestBody {
    let members: [String: Any]

    init(members: [String: Any]) { self.members = members }

    /// Parses a body.
    init(_ body: Span<UInt8>, route: SimulatedRoute) throws(VLLMError) {
        var copy = ByteBuffer()
        copy.append(body)
        let bytes = copy.array()
        let value: Any
        do {
            value = try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
        } catch {
            // Foundation names no usable position; where a body was cut short, the end is right.
            let end = bytes.lastIndex { $0 > 0x20 }.map { $0 + 1 } ?? 0
            throw .badJSON(route: route, position: end, problem: "Expecting value")
        }
        guard let members = value as? [String: Any] else {
            throw .invalidValue(
                message: "Input should be a valid dictionary", parameter: "body",
                value: JSONText.pythonRepresentation(value))
        }
        self.members = members
    }

    /// The member, unless absent or null.
    subscript(name: String) -> Any? {
        let value = members[name]
        return value is NSNull ? nil : value
    }

    func string(_ name: String) throws(VLLMError) -> String? {
        try member(name, as: String.self, "a valid string")
    }
    func flag(_ name: String) throws(VLLMError) -> Bool? {
        try member(name, as: Bool.self, "a valid boolean")
    }
    func integer(_ name: String) throws(VLLMError) -> Int? {
        try member(name, as: Int.self, "a valid integer")
    }
    func number(_ name: String) throws(VLLMError) -> Double? {
        try member(name, as: Double.self, "a valid number")
    }

    // `as?` alone would take 1 for true and true for 1, and vLLM does not.
    private func member<Value>(
        _ name: String, as type: Value.Type, _ what: String
    ) throws(VLLMError) -> Value? {
        guard let value = self[name] else { return nil }
        if JSONText.isFlag(value) == (Value.self == Bool.self), let value = value as? Value {
            return value
        }
        throw .invalidValue(
            message: "Input should be \(what)", parameter: name,
            value: JSONText.pythonRepresentation(value))
    }
}
