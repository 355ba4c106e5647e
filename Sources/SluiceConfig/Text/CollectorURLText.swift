import SluiceHTTP

/// The URL of a collector, with advice to whoever wrote it.
enum CollectorURLText {
    /// What is expected.
    static let form = "\(HTTPURL.form), with or without a path"

    /// The port of OTLP over HTTP. Source: OTLP specification, *OTLP/HTTP Default Port*.
    private static let port = 4_318

    static func check(_ text: String) throws(ValueProblem) {
        do throws(HTTPURLError) {
            _ = try HTTPURL(text)
        } catch {
            if error == .credentials {
                throw ValueProblem(
                    "the URL \(error) (not shown)",
                    advice:
                        "Put a line `authorization: …` into a file and name it in headers_file.",
                    hidesLine: true)
            }
            var advice: String?
            if error == .noScheme, !text.isEmpty {
                let hasPort = text.contains(":") || text.contains("/")
                advice = "Did you mean http://\(text)\(hasPort ? "" : ":\(port)")?"
            }
            throw ValueProblem("\(quoted(text)) \(error)", advice: advice)
        }
    }
}
