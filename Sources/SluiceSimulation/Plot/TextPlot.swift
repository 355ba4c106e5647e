/// Draws charts with plain characters, as wide as the terminal.
package enum TextPlot {
    /// One mark per line, in their order; the ninth begins again.
    package static let marks: [Character] = ["●", "○", "■", "□", "▲", "△", "◆", "◇"]
    /// Between two points of a line.
    static let between: Character = "·"
    static let labelWidth = 8
    /// Columns and rows of the area with the lines, whatever the terminal says.
    static let columns = 20...160
    static let rows = 4...40

    /// Draws one chart: title, area with axes, legend.
    ///
    /// - Parameters:
    ///   - width: columns of the whole, of which the area takes what labels leave.
    ///   - height: rows of the area.
    package static func draw(_ chart: Chart, width: Int, height: Int = 12) -> String {
        let columns = clamp(width - labelWidth - 2, columns)
        let rows = clamp(height, rows)
        let (xs, ys) = (chart.xScale, chart.yScale)
        var area = Array(repeating: Array(repeating: Character(" "), count: columns), count: rows)
        func row(_ position: Double) -> Int? {
            guard position > -0.001, position < 1.001 else { return nil }
            return rows - 1 - min(rows - 1, max(0, Int((position * Double(rows - 1)).rounded())))
        }
        if let reference = chart.reference, let at = ys.position(of: reference.y).flatMap(row) {
            area[at] = Array(repeating: "┄", count: columns)
        }
        for (index, series) in chart.series.enumerated() {
            for column in 0..<columns {
                let position = Double(column) / Double(columns - 1)
                guard let y = series.height(at: position, xs, ys), let at = row(y) else { continue }
                if area[at][column] == " " || area[at][column] == "┄" {
                    area[at][column] = between
                }
            }
            for point in series.points {
                guard let x = xs.position(of: point.x), let y = ys.position(of: point.y),
                    let at = row(y)
                else { continue }
                let column = clamp(Int((x * Double(columns - 1)).rounded()), 0...columns - 1)
                area[at][column] = marks[index % marks.count]
            }
        }
        var labels = Array(repeating: "", count: rows)
        for tick in ys.ticks(atMost: max(2, rows / 2)) {
            guard let at = ys.position(of: tick).flatMap(row) else { continue }
            labels[at] = PlanText.short(tick)
        }
        var lines = ["\(chart.title), \(chart.yLabel)"]
        for (label, cells) in zip(labels, area) {
            let padding = String(repeating: " ", count: max(0, labelWidth - label.count))
            lines.append(trimmed(padding + label + (label.isEmpty ? " │" : " ┤") + String(cells)))
        }
        let indent = String(repeating: " ", count: labelWidth + 1)
        lines.append(indent + "└" + String(repeating: "─", count: columns))
        lines.append(trimmed(indent + " " + axis(xs, columns) + "  " + chart.xLabel))
        lines += legend(chart, width: width, indent: indent + " ")
        return lines.joined(separator: "\n") + "\n"
    }

    /// The numbers under the horizontal axis, none over another.
    private static func axis(_ scale: ChartScale, _ columns: Int) -> String {
        var cells = Array(repeating: Character(" "), count: columns + labelWidth)
        var free = 0
        for tick in scale.ticks(atMost: max(2, columns / 10)) {
            guard let position = scale.position(of: tick), position <= 1.001 else { continue }
            let text = PlanText.short(tick)
            let column = Int((position * Double(columns - 1)).rounded())
            let start = max(0, column - text.count / 2)
            guard start >= free, start + text.count <= cells.count else { continue }
            for (offset, character) in text.enumerated() { cells[start + offset] = character }
            free = start + text.count + 1
        }
        return trimmed(String(cells))
    }

    private static func legend(_ chart: Chart, width: Int, indent: String) -> [String] {
        var entries = chart.series.enumerated().map { "\(marks[$0 % marks.count]) \($1.name)" }
        if let reference = chart.reference { entries.append("┄ \(reference.name)") }
        var lines: [String] = []
        for entry in entries {
            if let last = lines.last, last.count + entry.count + 3 <= max(width, 40) {
                lines[lines.count - 1] = last + "   " + entry
            } else {
                lines.append(indent + entry)
            }
        }
        return lines
    }

    private static func trimmed(_ text: String) -> String {
        var text = text
        while text.last == " " { text.removeLast() }
        return text
    }

    private static func clamp(_ value: Int, _ range: ClosedRange<Int>) -> Int {
        min(max(value, range.lowerBound), range.upperBound)
    }
}
