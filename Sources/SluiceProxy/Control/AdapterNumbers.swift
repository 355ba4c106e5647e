/// Numbers of LoRA adapters, by which pools know them.
struct AdapterNumbers {
    /// Adapters told apart at most; further ones are sent to any replica of their pool.
    static let countMax = 4_096

    private var numbers: [String: UInt16] = [:]

    /// The adapter's number, a new one where it has none; 0 beyond ``countMax``.
    mutating func intern(_ name: String) -> UInt16 {
        if let number = numbers[name] { return number }
        guard numbers.count < Self.countMax else { return 0 }
        let number = UInt16(truncatingIfNeeded: numbers.count + 1)
        numbers[name] = number
        return number
    }

    /// The number of a model that is an adapter; 0 for any other.
    func number(of name: String) -> UInt16 { numbers[name] ?? 0 }
}
