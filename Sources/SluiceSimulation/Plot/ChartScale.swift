import Foundation

/// Where a value lies between the two ends of an axis.
package struct ChartScale: Equatable, Sendable {
    /// From less to more.
    package let domain: ClosedRange<Double>
    package let isLogarithmic: Bool

    /// An axis over `domain`, widened where it is empty; logarithmic only over positive values.
    package init(_ domain: ClosedRange<Double>, isLogarithmic: Bool = false) {
        let canBe = isLogarithmic && domain.lowerBound > 0
        self.isLogarithmic = canBe
        if domain.lowerBound < domain.upperBound {
            self.domain = domain
        } else {
            let least = domain.lowerBound
            self.domain = canBe ? least / 2...least * 2 : least...least + 1
        }
    }

    /// 0 at the least value, 1 at the greatest, also beyond; nil for what has no place.
    package func position(of value: Double) -> Double? {
        guard value.isFinite else { return nil }
        let (least, most) = (domain.lowerBound, domain.upperBound)
        guard isLogarithmic else { return (value - least) / (most - least) }
        return value > 0 ? log(value / least) / log(most / least) : nil
    }

    /// Round values inside the domain, from less to more: steps of 1, 2 or 5 times a power of ten;
    /// at most `count`, unless fewer than two would be left.
    package func ticks(atMost count: Int) -> [Double] {
        isLogarithmic ? logarithmicTicks(atMost: count) : linearTicks(atMost: count)
    }

    private func linearTicks(atMost count: Int) -> [Double] {
        let span = domain.upperBound - domain.lowerBound
        let rough = span / Double(max(1, count))
        var step = pow(10, floor(log10(rough)))
        for factor in [1.0, 2, 5, 10] where step * factor >= rough {
            step *= factor
            break
        }
        let first = (domain.lowerBound / step).rounded(.up)
        let last = (domain.upperBound / step + 1e-9).rounded(.down)
        guard first <= last else { return [] }
        return stride(from: first, through: last, by: 1).map { $0 * step }
    }

    private func logarithmicTicks(atMost count: Int) -> [Double] {
        let lowest = Int(floor(log10(domain.lowerBound)))
        let highest = Int(ceil(log10(domain.upperBound)))
        var ticks: [Double] = []
        for digits in [[1.0, 2, 5], [1]] {
            ticks = (lowest...highest).flatMap { power in
                digits.map { $0 * pow(10, Double(power)) }
            }
            .filter { domain.contains($0) }
            if ticks.count <= count { break }
        }
        return ticks.count > 1 ? ticks : [domain.lowerBound, domain.upperBound]
    }
}
