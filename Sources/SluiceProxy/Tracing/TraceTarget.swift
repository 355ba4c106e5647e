import Glibc
import SluiceExchange
import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceTracing

/// Where spans are sent and what is sent with them: read once, at the start.
struct TraceTarget: Sendable {
    let url: HTTPURL
    /// The path, with the protocol's own where the URL has none. Source: OTLP specification,
    /// *OTLP/HTTP Request*.
    let path: String
    /// From the file of headers, such as an authorization.
    let fields: [(String, String)]
    /// Nil is plain HTTP.
    let tls: TLSClientContext?
    let resource: TraceExport.Resource

    /// Nil where tracing is off.
    ///
    /// - Throws: ``GatewayError`` that names the key.
    init?(_ settings: GatewaySettings.Tracing) throws(GatewayError) {
        guard let endpoint = settings.endpoint else { return nil }
        do throws(HTTPURLError) {
            url = try HTTPURL(endpoint)
        } catch {
            throw .badURL(key: "tracing.endpoint", url: endpoint, reason: "\(error)")
        }
        path = url.path.isEmpty || url.path == "/" ? "/v1/traces" : url.target
        do throws(FileFault) {
            fields = try Self.fields(settings)
            tls = url.isTLS ? try Self.context(settings) : nil
        } catch {
            throw .file(error)
        }
        resource = Self.resource(settings.serviceName)
    }

    /// What the file of headers holds.
    static func fields(
        _ settings: GatewaySettings.Tracing
    ) throws(FileFault) -> [(String, String)] {
        guard let path = settings.headersFile else { return [] }
        let key = "tracing.headers_file"
        guard let text = TextFile.read(path) else {
            throw FileFault(key, path: path, "cannot be read")
        }
        do throws(FieldLinesError) {
            return try FieldLinesText.read(text)
        } catch {
            throw FileFault(key, path: path, "\(error)")
        }
    }

    /// Whom to believe to be the receiver.
    static func context(
        _ settings: GatewaySettings.Tracing
    ) throws(FileFault) -> TLSClientContext {
        do throws(TLSError) {
            return try TLSClientContext(authorityFile: settings.caFile)
        } catch {
            throw FileFault(settings.caFile == nil ? "tracing" : "tracing.ca_file", error)
        }
    }

    /// Source: OpenTelemetry semantic conventions, *Resource*: service, host, process.
    private static func resource(_ serviceName: String) -> TraceExport.Resource {
        var random = SystemRandomNumberGenerator()
        let id = TraceID(random: &random)
        var digits = InlineText<32>()
        id.write(to: &digits)
        var attributes = [
            Attribute("service.name", .text(serviceName)),
            Attribute("service.version", .text(BuildInfo.version)),
            Attribute("service.instance.id", .text(digits.text)),
            Attribute("process.pid", .integer(Int64(getpid()))),
        ]
        if let name = HostName.current { attributes.append(.init("host.name", .text(name))) }
        return TraceExport.Resource(attributes, version: BuildInfo.version)
    }
}
