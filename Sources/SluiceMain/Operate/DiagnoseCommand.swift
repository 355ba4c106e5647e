import ArgumentParser
import Foundation
import SluiceBench
import SluiceBytes

/// `sluice diagnose`: what a running gateway says is wrong.
struct DiagnoseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diagnose",
        abstract: "Ask a running gateway what is wrong, why, and what to do.",
        discussion: """
            Names causes with the numbers that speak for them; what is usual it has learned from each \
            replica while nothing was wrong. With --against it also says what has changed: the workload, \
            or the serving. A gateway remembers eight days, and nothing of before its start.

            EXAMPLES
              sluice diagnose
              sluice diagnose --against 1d
              sluice diagnose --json --admin http://10.0.0.5:9801

            EXIT STATUS
              0  nothing is wrong
              1  the gateway did not answer
              3  something is
            """)

    @OptionGroup var client: AdminClient

    @Option(
        help: ArgumentHelp(
            "Compare with so long ago: 1m to 8d. (default: do not)", valueName: "span"))
    var against: String?

    @Flag(help: "Print the page /diagnosis as it is.") var json = false

    /// What there is to report.
    private static let somethingIsWrong = ExitCode(3)

    func run() throws {
        let query = against.map { "?against=\(PercentText.encoded($0))" } ?? ""
        let body = try client.answer(.get, "/diagnosis" + query)
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let report = try? decoder.decode(DiagnosisReport.self, from: Data(body)) else {
            printError("sluice: \(client.admin)/diagnosis: this is no answer of a gateway\n")
            throw ExitCode(1)
        }
        if json {
            print(String(decoding: body, as: UTF8.self), terminator: "")
        } else {
            print(report.text(ScreenText.standard), terminator: "")
        }
        if !report.findings.isEmpty { throw Self.somethingIsWrong }
    }
}

/// The page `/diagnosis`, and how it reads.
struct DiagnosisReport: Decodable {
    struct Finding: Decodable {
        struct Evidence: Decodable { let text: String }

        let cause, title, pool, confidence, meaning: String
        let replica: String?
        let sinceSeconds, seenSeconds: Double
        let evidence: [Evidence]
        let nextSteps: [String]
    }

    struct Comparison: Decodable {
        struct Row: Decodable {
            let figure: String
            let ratio: Double?
            let hasChanged: Bool
            let textNow, textThen: String?
        }

        let pool, verdict: String
        let keptSeconds: Double
        let figures: [Row]
    }

    let watchedSeconds: Double
    let findingsLeftOut: Int
    let findings: [Finding]
    let comparisons: [Comparison]?

    /// A gateway so young may not know what is usual.
    private static let learningSeconds = 60.0

    func text(_ text: ScreenText) -> String {
        var lines: [String] = []
        if findings.isEmpty {
            lines.append(text.good("nothing is wrong that this gateway can see"))
            if watchedSeconds < Self.learningSeconds {
                let watched = Figure.span(.seconds(clamping: watchedSeconds))
                lines.append(
                    text.dim("it has looked for \(watched) and still learns what is usual"))
            }
        }
        for finding in findings {
            let whom =
                finding.replica.map { "\($0) (pool \(finding.pool))" } ?? "pool \(finding.pool)"
            let title = "\(whom): \(finding.title)"
            lines.append(
                (finding.confidence == "certain" ? text.bad(title) : text.fair(title))
                    + text.dim(
                        "  \(finding.cause), \(finding.confidence), "
                            + "for \(Figure.span(.seconds(clamping: finding.sinceSeconds)))"
                            + (finding.seenSeconds < 1.5
                                ? ""
                                : ", last seen \(Figure.span(.seconds(clamping: finding.seenSeconds))) ago")
                    )
            )
            lines.append("  " + finding.meaning)
            lines += finding.evidence.map { "  · " + $0.text }
            lines += finding.nextSteps.enumerated().map { "  \($0 + 1). \($1)" }
            lines.append("")
        }
        if findingsLeftOut > 0 { lines += ["and \(findingsLeftOut) more", ""] }
        for comparison in comparisons ?? [] { lines += Self.table(comparison, text) }
        return lines.map { $0 + "\n" }.joined()
    }

    private static func table(_ comparison: Comparison, _ text: ScreenText) -> [String] {
        var lines = [text.bold("pool \(comparison.pool): \(sentence(comparison))")]
        guard comparison.verdict != "not_kept" else { return lines }
        let heads = Figure.left("", 34) + Figure.right("now", 14) + Figure.right("then", 14)
        lines.append(text.dim(heads))
        for row in comparison.figures where row.textNow != nil || row.textThen != nil {
            let line =
                "  " + Figure.left(row.figure, 32) + Figure.right(row.textNow ?? "–", 14)
                + Figure.right(row.textThen ?? "–", 14)
                + Figure.right(row.ratio.map { Figure.fixed($0, 2) + "×" } ?? "", 10)
            lines.append(row.hasChanged ? text.fair(line) : line)
        }
        return lines
    }

    private static func sentence(_ comparison: Comparison) -> String {
        switch comparison.verdict {
        case "unchanged": "nothing has changed by more than a quarter"
        case "workload_changed": "the workload has changed"
        case "serving_regressed": "the same is asked for, and served worse"
        case "serving_improved": "the same is asked for, and served better"
        default:
            "nothing is kept of that time: the gateway has watched for "
                + Figure.span(.seconds(clamping: comparison.keptSeconds))
        }
    }
}
