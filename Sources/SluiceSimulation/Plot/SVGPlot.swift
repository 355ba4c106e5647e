/// Draws charts as one small SVG, readable on light and on dark ground.
///
/// The viewer's preference (`prefers-color-scheme`) chooses the colours of text and axes; those of
/// the lines are told apart on both, and by dashes and marks for who does not tell colours apart.
package enum SVGPlot {
    /// One chart, axes and labels included.
    static let panel = (width: 440.0, height: 300.0)
    /// Around the area with the lines.
    static let margin = (left: 58.0, right: 14.0, top: 34.0, bottom: 44.0)
    static let legendRow = 18.0
    /// Columns of the legend are so wide.
    static let legendColumn = 170.0
    /// Colours of lines (Okabe and Ito, the two that vanish on white or black replaced).
    static let colours = [
        "#0b84c9", "#d9730d", "#1a9e76", "#c23d80", "#7a6bd1", "#a8862a", "#7d7d7d", "#c0392b",
    ]
    static let dashes = ["", "7 3", "2 3", "9 3 2 3"]

    /// Draws the charts side by side; the legend of all stands below.
    package static func draw(_ charts: [Chart]) -> String {
        var names: [String] = []
        for name in charts.flatMap({ $0.series.map(\.name) }) where !names.contains(name) {
            names.append(name)
        }
        let width = panel.width * Double(max(1, charts.count))
        let columns = max(1, Int(width / legendColumn))
        let legendRows = (names.count + columns - 1) / columns
        let height = panel.height + legendRow * Double(legendRows) + 8
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(number(width)) "
                + "\(number(height))\" width=\"\(number(width))\" height=\"\(number(height))\" "
                + "role=\"img\" font-family=\"system-ui,sans-serif\" font-size=\"12\">",
            "<title>\(escaped(charts.map(\.title).joined(separator: "; ")))</title>",
            "<style>text{fill:#333}.a{stroke:#777}.g{stroke:#8884}.r{stroke:#d33}.l{fill:none;"
                + "stroke-width:2}@media(prefers-color-scheme:dark){text{fill:#ddd}"
                + ".a{stroke:#999}}</style>",
        ]
        for (index, chart) in charts.enumerated() {
            lines.append("<g transform=\"translate(\(number(panel.width * Double(index))) 0)\">")
            lines += area(chart, names)
            lines.append("</g>")
        }
        for (index, name) in names.enumerated() {
            let x = margin.left + legendColumn * Double(index % columns)
            let y = panel.height + legendRow * Double(index / columns) + 8
            lines.append(
                "<path class=\"l\" \(style(index)) d=\"M\(number(x)) \(number(y - 4))h26\"/>"
                    + mark(index, x + 13, y - 4)
                    + "<text x=\"\(number(x + 32))\" y=\"\(number(y))\">\(escaped(name))</text>")
        }
        lines.append("</svg>")
        return lines.joined(separator: "\n") + "\n"
    }

    /// Where a point of the area lies, in the panel's own measure; y grows downwards.
    static func place(x: Double, y: Double) -> (x: Double, y: Double) {
        let width = panel.width - margin.left - margin.right
        let height = panel.height - margin.top - margin.bottom
        return (margin.left + x * width, margin.top + (1 - y) * height)
    }

    private static func area(_ chart: Chart, _ names: [String]) -> [String] {
        let (xs, ys) = (chart.xScale, chart.yScale)
        let (origin, end) = (place(x: 0, y: 0), place(x: 1, y: 1))
        var lines = [
            text(margin.left, 16, chart.title, "font-weight=\"600\""),
            text(margin.left, 29, chart.yLabel, "font-size=\"10.5\""),
            text((origin.x + end.x) / 2, panel.height - 8, chart.xLabel, "text-anchor=\"middle\""),
        ]
        for tick in ys.ticks(atMost: 7) {
            guard let position = ys.position(of: tick) else { continue }
            let y = place(x: 0, y: position).y
            lines.append(
                "<path class=\"g\" d=\"M\(number(origin.x)) \(number(y))H\(number(end.x))\"/>"
                    + text(
                        origin.x - 6, y + 4, PlanText.short(tick), "text-anchor=\"end\""))
        }
        for tick in xs.ticks(atMost: 8) {
            guard let position = xs.position(of: tick) else { continue }
            let x = place(x: position, y: 0).x
            lines.append(
                "<path class=\"a\" d=\"M\(number(x)) \(number(origin.y))v4\"/>"
                    + text(
                        x, origin.y + 17, PlanText.short(tick), "text-anchor=\"middle\""))
        }
        lines.append(
            "<path class=\"a\" fill=\"none\" d=\"M\(number(origin.x)) \(number(end.y))"
                + "V\(number(origin.y))H\(number(end.x))\"/>")
        if let reference = chart.reference, let position = ys.position(of: reference.y) {
            let y = place(x: 0, y: position).y
            lines.append(
                "<path class=\"r\" stroke-dasharray=\"4 4\" d=\"M\(number(origin.x)) \(number(y))"
                    + "H\(number(end.x))\"/>"
                    + text(end.x, y - 4, reference.name, "text-anchor=\"end\" font-size=\"10.5\""))
        }
        for series in chart.series {
            let index = names.firstIndex(of: series.name) ?? 0
            let points = series.points.compactMap { point -> (x: Double, y: Double)? in
                guard let x = xs.position(of: point.x), let y = ys.position(of: point.y) else {
                    return nil
                }
                return place(x: x, y: min(max(y, 0), 1))
            }
            let path = points.map { "\(number($0.x)) \(number($0.y))" }.joined(separator: "L")
            if !path.isEmpty {
                lines.append("<path class=\"l\" \(style(index)) d=\"M\(path)\"/>")
            }
            // A mark per point while they can be told apart.
            if points.count <= 20 {
                lines.append(points.map { mark(index, $0.x, $0.y) }.joined())
            }
        }
        return lines
    }

    private static func style(_ index: Int) -> String {
        let dash = dashes[index % dashes.count]
        let dashed = dash.isEmpty ? "" : " stroke-dasharray=\"\(dash)\""
        return "stroke=\"\(colours[index % colours.count])\"\(dashed)"
    }

    private static func mark(_ index: Int, _ x: Double, _ y: Double) -> String {
        let fill = "fill=\"\(colours[index % colours.count])\""
        switch index % 3 {
        case 0: return "<circle \(fill) cx=\"\(number(x))\" cy=\"\(number(y))\" r=\"3\"/>"
        case 1:
            return "<rect \(fill) x=\"\(number(x - 3))\" y=\"\(number(y - 3))\" width=\"6\" "
                + "height=\"6\"/>"
        default:
            return "<path \(fill) d=\"M\(number(x)) \(number(y - 4))l4 7h-8z\"/>"
        }
    }

    private static func text(
        _ x: Double, _ y: Double, _ text: String, _ attributes: String
    ) -> String {
        "<text x=\"\(number(x))\" y=\"\(number(y))\" \(attributes)>\(escaped(text))</text>"
    }

    /// A coordinate: a tenth of a pixel is enough.
    private static func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0
            ? "\(tenths / 10)" : "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10)"
    }

    static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
        return result
    }
}
