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
    func text(width: Int) -> String {
        let charts = charts
        return ([heading, table] + charts.map { TextPlot.draw($0, width: width) })
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

    private var heading: String {
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
        return lines.joined(separator: "\n") + "\n"
    }

    /// One line per policy and load, and one per class beneath where there are several.
    private var table: String {
        let columns = [
            ("offered/s", 11), ("served/s", 10), ("goodput", 10), ("in SLO", 9), ("p50", 8),
            ("p90", 8), ("p99 TTFT", 10), ("p50", 8), ("p99 TPOT", 10),
        ]
        let first = (figures.map { name($0).count }.max() ?? 0) + 2
        let nameWidth = max(first, (question.classNames.map(\.count).max() ?? 0) + 4)
        var lines = [
            Figure.left("", nameWidth)
                + columns.map { Figure.right($0.0, $0.1) }.joined() + "  refused"
        ]
        func line(
            _ name: String, _ group: GroupFigures, _ goodput: String, _ span: Double
        ) -> String {
            let cells = [
                Figure.fixed(Double(group.offered) / span, 1),
                Figure.fixed(Double(group.served) / span, 1), goodput,
                Figure.share(group.goodOfAdmitted), Figure.seconds(group.firstToken?.median),
                Figure.seconds(group.firstToken?.ninetieth),
                Figure.seconds(group.firstToken?.ninetyNinth),
                milliseconds(group.tokenGap?.median), milliseconds(group.tokenGap?.ninetyNinth),
            ]
            return Figure.left(name, nameWidth)
                + zip(cells, columns).map { Figure.right($0, $1.1) }.joined() + "  "
                + refusals(group)
        }
        for one in figures {
            let span = max(one.measured.seconds, 1e-9)
            lines.append(line(name(one), one.all, Figure.share(one.goodput), span))
            let used = one.classes.indices.filter { one.classes[$0].offered > 0 }
            for index in used where used.count > 1 {
                lines.append(line("  " + question.classNames[index], one.classes[index], "", span))
            }
        }
        lines.append(
            "goodput: work within the objectives, of the capacity; in SLO: of those let in")
        return lines.joined(separator: "\n") + "\n"
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
