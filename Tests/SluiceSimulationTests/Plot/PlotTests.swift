import Foundation
import Testing

@testable import SluiceSimulation

/// Where things are in a picture.
@Suite struct PlotTests {
    @Test func `a linear axis has round ticks inside it`() {
        let scale = ChartScale(0...105)
        #expect(scale.ticks(atMost: 6) == [0, 20, 40, 60, 80, 100])
        #expect(scale.position(of: 0) == 0)
        #expect(scale.position(of: 105) == 1)
        #expect(scale.position(of: .nan) == nil)
        for count in 2...12 { #expect(scale.ticks(atMost: count).count <= count + 1) }
    }

    @Test func `a logarithmic axis has ticks of 1, 2 and 5`() {
        let scale = ChartScale(0.5...10, isLogarithmic: true)
        #expect(scale.ticks(atMost: 8) == [0.5, 1, 2, 5, 10])
        #expect(scale.ticks(atMost: 3) == [1, 10])
        #expect(scale.position(of: 0) == nil)
        let middle = scale.position(of: sqrt(5)) ?? -1
        #expect(abs(middle - 0.5) < 1e-9)
    }

    @Test func `an empty domain is widened, and a logarithm of nothing is not taken`() {
        #expect(ChartScale(3...3).domain == 3...4)
        #expect(ChartScale(3...3, isLogarithmic: true).domain == 1.5...6)
        #expect(!ChartScale(0...3, isLogarithmic: true).isLogarithmic)
    }

    private static func chart() -> Chart {
        var chart = Chart(
            title: "Goodput <&>", xLabel: "load", yLabel: "%",
            series: [
                ChartSeries("one", [ChartPoint(x: 0, y: 0), ChartPoint(x: 10, y: 100)]),
                ChartSeries("two", [ChartPoint(x: 0, y: 100), ChartPoint(x: 10, y: .nan)]),
            ])
        chart.reference = ("bound", 50)
        return chart
    }

    @Test func `a text plot is as wide as it is told, and its ends are where they belong`() {
        for width in [40, 80, 132] {
            let lines = TextPlot.draw(Self.chart(), width: width, height: 11)
                .split(separator: "\n", omittingEmptySubsequences: false)
            #expect(lines.allSatisfy { $0.count <= max(width, 40) + 10 })
            let area = lines[1...11]
            // 105 is the top: 100 is one row below it or on it, 0 is on the last.
            #expect(area.last?.contains("●") == true)
            #expect(area.prefix(2).contains { $0.hasSuffix("●") })
            #expect(area.prefix(2).contains { $0.contains("○") })
            #expect(area.contains { $0.contains("┄┄┄") })
            #expect(
                area.contains { $0.hasPrefix("      50 ┤") }
                    || area.contains { $0.hasPrefix("      40 ┤") })
        }
    }

    @Test func `a text plot without points is an empty area`() {
        let empty = Chart(title: "t", xLabel: "x", yLabel: "y", series: [ChartSeries("a", [])])
        #expect(!TextPlot.draw(empty, width: 80).isEmpty)
        #expect(!SVGPlot.draw([empty]).isEmpty)
        #expect(!SVGPlot.draw([]).isEmpty)
    }

    @Test func `an SVG is well-formed, escaped and small`() throws {
        let text = SVGPlot.draw([Self.chart(), Self.chart()])
        let parser = XMLParserProbe()
        #expect(parser.parses(text))
        #expect(text.contains("Goodput &lt;&amp;&gt;"))
        #expect(text.contains("prefers-color-scheme:dark"))
        #expect(text.utf8.count < 30_000)
        // Both lines are in the legend once, though they are in both charts.
        #expect(text.components(separatedBy: ">one</text>").count == 2)
    }

    @Test func `a corner of the area is a corner of the panel`() {
        let origin = SVGPlot.place(x: 0, y: 0)
        let end = SVGPlot.place(x: 1, y: 1)
        #expect(origin.x == SVGPlot.margin.left)
        #expect(origin.y == SVGPlot.panel.height - SVGPlot.margin.bottom)
        #expect(end.x == SVGPlot.panel.width - SVGPlot.margin.right)
        #expect(end.y == SVGPlot.margin.top)
    }
}

/// Whether every element that begins also ends, in order.
private struct XMLParserProbe {
    func parses(_ text: String) -> Bool {
        var open: [Substring] = []
        var rest = text[...]
        while let start = rest.firstIndex(of: "<") {
            guard let end = rest[start...].firstIndex(of: ">") else { return false }
            let tag = rest[rest.index(after: start)..<end]
            rest = rest[rest.index(after: end)...]
            if tag.hasPrefix("/") {
                guard open.popLast() == tag.dropFirst() else { return false }
            } else if !tag.hasSuffix("/") {
                open.append(tag.prefix { $0 != " " })
            }
            if tag.contains("<") { return false }
        }
        return open.isEmpty
    }
}
