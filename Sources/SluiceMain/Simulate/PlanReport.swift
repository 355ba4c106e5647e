import SluiceBench
import SluiceConfig
import SluiceSimulation
import SluiceTime
import SluiceTraffic

/// The answer of `sluice simulate --load`, for people and for programs.
struct PlanReport {
    let question: PlannedQuestion
    let capacity: Capacity
    let figures: [PlanFigures]

    /// Table and picture.
    ///
    /// - Parameters:
    ///   - width: of the picture.
    ///   - columns: how wide a line may be; nil: as wide as it is.
    func text(width: Int, columns: Int?) -> String {
        let (charts, columns) = (charts, columns ?? .max)
        let heading = heading.flatMap { ScreenText.wrapped($0, columns, indent: 2) }
        let lines = [heading, table(columns)].map { $0.map { $0 + "\n" }.joined() }
        return (lines + charts.map { TextPlot.draw($0, width: width) })
            .joined(separator: "\n")
    }

    var svg: String { SVGPlot.draw(charts) }

    private var charts: [Chart] {
        let used = Set(question.plan.fleet.streams.map(\.classIndex))
        let objectives = Set(
            used.map { question.plan.fleet.objectives[$0].firstToken?.seconds ?? .infinity })
        let objective = objectives.count == 1 ? objectives.first : nil
        return PlanCharts.charts(
            figures, of: capacity, objective: objective.flatMap { $0.isFinite ? $0 : nil })
    }

    private var heading: [String] {
        let fleet = question.plan.fleet
        let engine = fleet.replicas.first ?? EngineParameters()
        var lines = question.notes
        lines.append(
            "\(fleet.replicas.count) replicas of \(engine.sequencesMax) slots: capacity "
                + "\(Figure.fixed(capacity.requestsPerSecond, 1)) requests/s within the objectives")
        for index in Set(fleet.streams.map(\.classIndex)).sorted() {
            let objective = fleet.objectives[index]
            let parts = [
                objective.firstToken.map { "first token \(DurationText.text($0))" },
                objective.tokenGap.map { "per token \(DurationText.text($0))" },
            ].compactMap { $0 }
            lines.append(
                "\(question.classNames[index]): "
                    + (parts.isEmpty ? "no objective" : parts.joined(separator: ", ")))
        }
        for misfortune in question.plan.misfortunes {
            let when = misfortune.at.map { " from \(DurationText.text($0)) on" } ?? ""
            let what = misfortune.slowFactor.map { "\(PlanText.short($0)) times slower" } ?? "lost"
            lines.append("\(misfortune.count) of them \(what)\(when)")
        }
        if question.plan.recording == nil {
            lines.append(
                "\(DurationText.text(fleet.measured)) after \(DurationText.text(fleet.warmUp)) of warm-up, seed \(fleet.seed)"
            )
        }
        return lines
    }

    /// One line per policy and load, and one per class beneath where there are several; in two parts,
    /// what became of the requests and how long they took, where a line has no room for both.
    private func table(_ columns: Int) -> [String] {
        let names = figures.map { name($0) } + question.classNames.map { "  " + $0 }
        let nameWidth = (names.map(\.count).max() ?? 0) + 2
        let rows = figures.flatMap(rows)
        let fates = Column.allCases.filter { !$0.isTime }
        let whole = part(rows, Column.allCases, nameWidth, columns)
        let lines =
            whole.allSatisfy { $0.count <= columns }
            ? whole
            : part(rows, fates, nameWidth, columns) + [""]
                + part(rows, Column.allCases.filter(\.isTime), nameWidth, columns)
        return lines
            + ScreenText.wrapped(
                "goodput: work within the objectives, of the capacity; in SLO: of those let in",
                columns, indent: 2)
    }

    private enum Column: CaseIterable {
        case offered, served, goodput, inSLO, firstMedian, firstNinetieth, firstNinetyNinth
        case gapMedian, gapNinetyNinth, refused

        var isTime: Bool {
            switch self {
            case .offered, .served, .goodput, .inSLO, .refused: false
            case .firstMedian, .firstNinetieth, .firstNinetyNinth, .gapMedian, .gapNinetyNinth:
                true
            }
        }

        /// Nil where it comes last and is as wide as it is.
        var head: (text: String, width: Int?) {
            switch self {
            case .offered: ("offered/s", 11)
            case .served: ("served/s", 10)
            case .goodput: ("goodput", 10)
            case .inSLO: ("in SLO", 9)
            case .firstMedian, .gapMedian: ("p50", 8)
            case .firstNinetieth: ("p90", 8)
            case .firstNinetyNinth: ("p99 TTFT", 10)
            case .gapNinetyNinth: ("p99 TPOT", 10)
            case .refused: ("refused", nil)
            }
        }
    }

    private typealias Line = (name: String, group: GroupFigures, goodput: String, span: Double)

    private func rows(_ one: PlanFigures) -> [Line] {
        let span = max(one.measured.seconds, 1e-9)
        let used = one.classes.indices.filter { one.classes[$0].offered > 0 }
        return [(name(one), one.all, Figure.share(one.goodput), span)]
            + (used.count > 1 ? used : []).map {
                ("  " + question.classNames[$0], one.classes[$0], "", span)
            }
    }

    private func part(
        _ rows: [Line], _ shown: [Column], _ nameWidth: Int, _ columns: Int
    ) -> [String] {
        func line(_ name: String, _ cell: (Column) -> String) -> String {
            Figure.left(name, nameWidth)
                + shown.map { column in
                    column.head.width.map { Figure.right(cell(column), $0) } ?? "  " + cell(column)
                }.joined()
        }
        return [line("", \.head.text)]
            + rows.flatMap { row in
                let text = line(row.name) { cell($0, row) }
                // Why so many were refused may be more than a line.
                return shown.contains(where: \.isTime)
                    ? [text] : ScreenText.wrapped(text, columns, indent: nameWidth + 42)
            }
    }

    private func cell(_ column: Column, _ row: Line) -> String {
        let group = row.group
        return switch column {
        case .offered: Figure.fixed(Double(group.offered) / row.span, 1)
        case .served: Figure.fixed(Double(group.served) / row.span, 1)
        case .goodput: row.goodput
        case .inSLO: Figure.share(group.goodOfAdmitted)
        case .firstMedian: Figure.seconds(group.firstToken?.median)
        case .firstNinetieth: Figure.seconds(group.firstToken?.ninetieth)
        case .firstNinetyNinth: Figure.seconds(group.firstToken?.ninetyNinth)
        case .gapMedian: milliseconds(group.tokenGap?.median)
        case .gapNinetyNinth: milliseconds(group.tokenGap?.ninetyNinth)
        case .refused: refusals(group)
        }
    }

    private func name(_ figures: PlanFigures) -> String {
        "\(figures.policy.rawValue) \(figures.load)"
    }

    private func refusals(_ group: GroupFigures) -> String {
        var parts = group.refused.map { refusal in
            "\(Figure.percent(refusal.count, of: group.offered)) \(refusal.reason.label)"
        }
        if group.abandoned > 0 {
            parts.append("\(Figure.percent(group.abandoned, of: group.offered)) gave up")
        }
        if group.cut > 0 { parts.append("\(Figure.percent(group.cut, of: group.offered)) cut") }
        return parts.isEmpty ? "none" : parts.joined(separator: ", ")
    }

    private func milliseconds(_ value: Double?) -> String {
        value.map { Figure.fixed($0 * 1_000, 1) + " ms" } ?? "–"
    }
}

extension PlanReport {
    private struct Group: Encodable {
        let name: String
        let offered: Int
        let served: Int
        let refused: [String: Int]
        let abandoned: Int
        let cut: Int
        let inSloOfAdmitted: Double
        let inSloOfOffered: Double
        let ttftSeconds: [String: Double]
        let tpotSeconds: [String: Double]

        init(_ name: String, _ group: GroupFigures) {
            self.name = name
            offered = group.offered
            served = group.served
            refused = Dictionary(
                group.refused.map { ("\($0.reason.label)", $0.count) }, uniquingKeysWith: +)
            abandoned = group.abandoned
            cut = group.cut
            inSloOfAdmitted = group.goodOfAdmitted
            inSloOfOffered = group.goodOfOffered
            ttftSeconds = Self.quantiles(group.firstToken)
            tpotSeconds = Self.quantiles(group.tokenGap)
        }

        private static func quantiles(_ quantiles: Quantiles?) -> [String: Double] {
            quantiles.map { ["p50": $0.median, "p90": $0.ninetieth, "p99": $0.ninetyNinth] } ?? [:]
        }
    }

    private struct Bin: Encodable {
        let second: Double
        let offeredPerSecond: Double
        let inSloPerSecond: Double
        let refusedPerSecond: Double
        let ttftP99Seconds: Double?
    }

    private struct Row: Encodable {
        let policy: String
        let load: String
        let measuredSeconds: Double
        let askedPerSecond: Double
        let offeredPerSecond: Double
        let servedPerSecond: Double
        let goodput: Double
        let all: Group
        let classes: [Group]
        let timeline: [Bin]
    }

    private struct Answer: Encodable {
        let replicas: Int
        let slots: Int
        let seed: UInt64
        let capacityRequestsPerSecond: Double
        let notes: [String]
        let rows: [Row]
    }

    /// The same as one JSON object.
    func json() throws -> String {
        let rows = figures.map { one in
            Row(
                policy: one.policy.rawValue, load: one.load.description,
                measuredSeconds: one.measured.seconds, askedPerSecond: one.asked,
                offeredPerSecond: one.offeredPerSecond, servedPerSecond: one.servedPerSecond,
                goodput: one.goodput, all: Group("all", one.all),
                classes: zip(question.classNames, one.classes).map(Group.init),
                timeline: one.bins.map {
                    Bin(
                        second: $0.middle, offeredPerSecond: $0.offered, inSloPerSecond: $0.good,
                        refusedPerSecond: $0.refused, ttftP99Seconds: $0.firstToken)
                })
        }
        let fleet = question.plan.fleet
        let answer = Answer(
            replicas: fleet.replicas.count, slots: fleet.replicas.first?.sequencesMax ?? 0,
            seed: fleet.seed,
            capacityRequestsPerSecond: capacity.requestsPerSecond, notes: question.notes,
            rows: rows)
        return try answer.reportJSON()
    }
}
