import Foundation
import SluiceBytes

/// The members of a request's JSON object, read with vLLM's complaints.
///
/// Foundation does the parsing (bounded depth): a simulated request is a cold path.
struct RequestBody {
    let members: [String: Any]
    private let route: SimulatedRoute
    /// Where the object stands, as Python shows it; complaints name it.
    private let place: String

    /// An object inside the body, under `name`.
    init(members: [String: Any], named name: String, route: SimulatedRoute) {
        self.members = members
        self.route = route
        place = "'body', '\(name)'"
    }

    /// Parses a body.
    init(_ body: Span<UInt8>, route: SimulatedRoute) throws(VLLMError) {
        var copy = ByteBuffer()
        copy.append(body)
        let bytes = copy.array()
        let value: Any
        do {
            value = try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
        } catch {
            if bytes.isEmpty { throw .missingBody(route: route) }
            // Foundation names no usable position; where a body was cut short, the end is right.
            throw .badJSON(route: route, position: bytes.count, problem: "Expecting value")
        }
        if value is NSNull { throw .missingBody(route: route) }
        guard let members = value as? [String: Any] else {
            throw .notAnObject(pythonType: JSONText.pythonType(value))
        }
        self.members = members
        self.route = route
        place = "'body'"
    }

    /// The member, unless absent or null.
    subscript(name: String) -> Any? {
        let value = members[name]
        return value is NSNull ? nil : value
    }

    func string(_ name: String) throws(VLLMError) -> String? {
        try member(name, as: String.self) { _ in .string }
    }
    func flag(_ name: String) throws(VLLMError) -> Bool? {
        try member(name, as: Bool.self) {
            $0 is [Any] || $0 is [String: Any] ? .boolean : .booleanText
        }
    }
    func integer(_ name: String) throws(VLLMError) -> Int? {
        try member(name, as: Int.self) { value in
            if value is String { return .integerText }
            return value is Double && !JSONText.isFlag(value) ? .integerFraction : .integer
        }
    }
    func number(_ name: String) throws(VLLMError) -> Double? {
        try member(name, as: Double.self) { $0 is String ? .numberText : .number }
    }

    // `as?` alone would take 1 for true and true for 1. Pydantic does too, and also reads "7" as
    // a number and "yes" as a flag; the gateway refuses these before, the simulator always.
    private func member<Value>(
        _ name: String, as type: Value.Type, _ problem: (Any) -> TypeProblem
    ) throws(VLLMError) -> Value? {
        guard let value = self[name] else { return nil }
        if JSONText.isFlag(value) == (Value.self == Bool.self), let value = value as? Value {
            return value
        }
        throw .wrongType(
            route: route, place: "\(place), '\(name)'", problem: problem(value),
            input: JSONText.pythonRepresentation(value))
    }
}
