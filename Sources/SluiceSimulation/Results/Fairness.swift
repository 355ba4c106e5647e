/// How evenly something is shared.
package enum Fairness {
    /// Jain's index: 1 when all are equal, 1/n when one has everything; 1 for none.
    ///
    /// Source: Jain, Chiu, Hawe, DEC-TR-301 (1984).
    package static func jain(_ values: [Double]) -> Double {
        let sum = values.reduce(0, +)
        let squares = values.reduce(0) { $0 + $1 * $1 }
        return squares == 0 ? 1 : sum * sum / (Double(values.count) * squares)
    }

    /// Weighted max-min shares of a capacity: nobody gets more than asked for, and what is left is
    /// shared by weight among those who still want more.
    ///
    /// - Parameters:
    ///   - demand, weights: one per tenant, in the order of the result; weights above 0.
    ///   - capacity: in the unit of the demand.
    package static func maxMinShares(
        demand: [Double], weights: [Double], capacity: Double
    ) -> [Double] {
        var shares = Array(repeating: 0.0, count: demand.count)
        var open = Array(demand.indices)
        var rest = capacity
        while !open.isEmpty, rest > 0 {
            let level = rest / open.reduce(0) { $0 + weights[$1] }
            let sated = open.filter { demand[$0] <= level * weights[$0] }
            guard !sated.isEmpty else {
                for index in open { shares[index] = level * weights[index] }
                return shares
            }
            for index in sated {
                shares[index] = demand[index]
                rest -= demand[index]
            }
            open.removeAll { sated.contains($0) }
        }
        return shares
    }
}
