/// The pictures of a plan.
package enum PlanCharts {
    /// Over the loads where there are several, else over time: goodput, and times to the first token.
    ///
    /// - Parameters:
    ///   - figures: of all policies and loads.
    ///   - objective: for the first token, in seconds, where all classes have the same.
    package static func charts(
        _ figures: [PlanFigures], of capacity: Capacity, objective: Double?
    ) -> [Chart] {
        var loads: [PlannedLoad] = []
        var policies: [PolicyKind] = []
        for one in figures {
            if !loads.contains(one.load) { loads.append(one.load) }
            if !policies.contains(one.policy) { policies.append(one.policy) }
        }
        return loads.count > 1
            ? overLoad(figures, policies, capacity, objective)
            : overTime(figures, objective)
    }

    private static func overLoad(
        _ figures: [PlanFigures], _ policies: [PolicyKind], _ capacity: Capacity,
        _ objective: Double?
    ) -> [Chart] {
        func series(_ height: (PlanFigures) -> Double) -> [ChartSeries] {
            policies.map { policy in
                let points = figures.filter { $0.policy == policy }.map {
                    ChartPoint(
                        x: $0.asked / max(capacity.requestsPerSecond, 1e-9),
                        y: height($0))
                }
                return ChartSeries(policy.rawValue, points.sorted { $0.x < $1.x })
            }
        }
        let goodput = Chart(
            title: "Goodput", xLabel: "load / capacity",
            yLabel: "work within the objectives, % of capacity",
            series: series { $0.goodput * 100 })
        let waits = firstTokens(
            "load / capacity", series { $0.all.firstToken?.ninetyNinth ?? .nan }, objective)
        return [goodput, waits].map {
            var chart = $0
            chart.isXLogarithmic = true
            return chart
        }
    }

    private static func overTime(_ figures: [PlanFigures], _ objective: Double?) -> [Chart] {
        guard let first = figures.first else { return [] }
        func series(
            _ name: String, _ figures: PlanFigures, _ height: (TimeBin) -> Double
        ) -> ChartSeries {
            ChartSeries(name, figures.bins.map { ChartPoint(x: $0.middle, y: height($0)) })
        }
        var rates: [ChartSeries] = []
        if figures.count == 1 {
            rates = [
                series("within the objectives", first) { $0.good },
                series("refused", first) { $0.refused },
            ]
        } else {
            rates = figures.map { one in series(one.policy.rawValue, one) { $0.good } }
        }
        rates.append(series("arrivals", first) { $0.offered })
        let names = figures.count == 1 ? ["first tokens"] : figures.map(\.policy.rawValue)
        let waits = zip(names, figures).map { name, one in
            series(name, one) { $0.firstToken ?? .nan }
        }
        return [
            Chart(
                title: "Requests by their arrival", xLabel: "seconds", yLabel: "a second",
                series: rates),
            firstTokens("seconds", waits, objective),
        ]
    }

    private static func firstTokens(
        _ xLabel: String, _ series: [ChartSeries], _ objective: Double?
    ) -> Chart {
        var chart = Chart(
            title: "p99 time to first token", xLabel: xLabel,
            yLabel: "seconds, of requests that got one", series: series)
        chart.isYLogarithmic = true
        chart.reference = objective.map { ("objective", $0) }
        return chart
    }
}
