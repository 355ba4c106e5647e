/// What pydantic says about a member of a JSON type that its field cannot have.
package enum TypeProblem: Equatable, Sendable {
    case string
    /// A value that is no flag, and a string or number that names none.
    case boolean, booleanText
    /// A value that is no integer, a string that names none, and a fraction.
    case integer, integerText, integerFraction
    /// A value that is no number, and a string that names none.
    case number, numberText

    /// The `type` member.
    var name: String {
        switch self {
        case .string: "string_type"
        case .boolean: "bool_type"
        case .booleanText: "bool_parsing"
        case .integer: "int_type"
        case .integerText: "int_parsing"
        case .integerFraction: "int_from_float"
        case .number: "float_type"
        case .numberText: "float_parsing"
        }
    }

    /// The `msg` member.
    var message: String {
        switch self {
        case .string: "Input should be a valid string"
        case .boolean: "Input should be a valid boolean"
        case .booleanText: "Input should be a valid boolean, unable to interpret input"
        case .integer: "Input should be a valid integer"
        case .integerText:
            "Input should be a valid integer, unable to parse string as an integer"
        case .integerFraction:
            "Input should be a valid integer, got a number with a fractional part"
        case .number: "Input should be a valid number"
        case .numberText: "Input should be a valid number, unable to parse string as a number"
        }
    }
}
