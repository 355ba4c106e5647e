/// One point of a line.
package struct ChartPoint: Equatable, Sendable {
    package var x: Double
    package var y: Double

    package init(x: Double, y: Double) {
        self.x = x
        self.y = y
    }
}

/// One line of a chart.
package struct ChartSeries: Equatable, Sendable {
    package var name: String
    /// With ascending x; those without a finite y are left out.
    package var points: [ChartPoint]

    package init(_ name: String, _ points: [ChartPoint]) {
        self.name = name
        self.points = points.filter { $0.x.isFinite && $0.y.isFinite }
    }

    /// The height of the line at `x`, between two points straight in the axes' own measure; nil
    /// outside.
    func height(at position: Double, _ xs: ChartScale, _ ys: ChartScale) -> Double? {
        var before: (x: Double, y: Double)?
        for point in points {
            guard let x = xs.position(of: point.x), let y = ys.position(of: point.y) else {
                continue
            }
            if x == position { return y }
            if x > position {
                guard let before else { return nil }
                return before.y + (y - before.y) * (position - before.x) / (x - before.x)
            }
            before = (x, y)
        }
        return nil
    }
}

/// Lines over one axis, drawn as text or as SVG.
package struct Chart: Equatable, Sendable {
    package var title: String
    package var xLabel: String
    /// What the heights are, with their unit.
    package var yLabel: String
    package var series: [ChartSeries]
    package var isXLogarithmic = false
    package var isYLogarithmic = false
    /// A height that is drawn all along, such as an objective, and its name.
    package var reference: (name: String, y: Double)?
    /// No height beyond is shown: lines are cut there.
    package var yMax: Double?

    package init(title: String, xLabel: String, yLabel: String, series: [ChartSeries]) {
        self.title = title
        self.xLabel = xLabel
        self.yLabel = yLabel
        self.series = series
    }

    package static func == (a: Chart, b: Chart) -> Bool {
        a.title == b.title && a.xLabel == b.xLabel && a.yLabel == b.yLabel
            && a.series == b.series && a.isXLogarithmic == b.isXLogarithmic
            && a.isYLogarithmic == b.isYLogarithmic && a.reference?.y == b.reference?.y
            && a.yMax == b.yMax
    }

    /// The horizontal axis: exactly what the points span.
    package var xScale: ChartScale {
        let values = series.flatMap { $0.points.map(\.x) }.filter { !isXLogarithmic || $0 > 0 }
        return ChartScale(
            (values.min() ?? 0)...(values.max() ?? 1), isLogarithmic: isXLogarithmic)
    }

    /// The vertical axis: from 0, or from the least where it is logarithmic, to a little above the
    /// greatest.
    package var yScale: ChartScale {
        var values = series.flatMap { $0.points.map(\.y) }
        if let reference { values.append(reference.y) }
        values = values.filter { $0 > 0 }
        let most = min(values.max() ?? 1, yMax ?? .infinity)
        guard isYLogarithmic, let least = values.min(), least < most else {
            return ChartScale(0...most * 1.05)
        }
        return ChartScale(least * 0.8...most * 1.25, isLogarithmic: true)
    }
}
