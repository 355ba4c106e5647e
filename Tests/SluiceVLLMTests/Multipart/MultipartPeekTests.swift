import SluiceBytes
import SluiceTelemetry
import SluiceVLLM
import Testing

@Suite struct MultipartPeekTests {
    static func peek(_ contentType: String) -> MultipartPeek? {
        MultipartPeek(contentType: Array(contentType.utf8).span)
    }

    static func model(_ body: [UInt8], boundary: String = "XyZ", cutEvery size: Int = .max)
        -> String?
    {
        guard var peek = peek("multipart/form-data; boundary=\(boundary)") else { return nil }
        var start = 0
        while start < body.count {
            let end = start + min(size, body.count - start)
            peek.feed(body.span.extracting(start..<end))
            start = end
        }
        return peek.model?.text
    }

    static func model(_ body: String) -> String? { model(Array(body.utf8)) }

    static func part(_ disposition: String, _ value: String) -> String {
        "--XyZ\r\nContent-Disposition: \(disposition)\r\n\r\n\(value)\r\n"
    }

    static let file = part(
        #"form-data; name="file"; filename="a.wav""#, "RIFF\r\n\r\n--XyQ\r\n--Xy")
    static let tiny = part(#"form-data; name="model""#, "tiny")

    @Test func `the model is found before and after a file, at every cut`() {
        for text in [Self.tiny + Self.file + "--XyZ--\r\n", Self.file + Self.tiny + "--XyZ--\r\n"] {
            let body = Array(text.utf8)
            for size in 1...9 { #expect(Self.model(body, cutEvery: size) == "tiny") }
            for cut in 0...body.count {
                var peek = Self.peek(#"Multipart/Form-Data; charset=utf-8; Boundary="XyZ""#)
                peek?.feed(body.span.extracting(0..<cut))
                peek?.feed(body.span.extracting(cut..<body.count))
                #expect(peek?.model?.text == "tiny", "cut at \(cut)")
                #expect(peek?.isOver == true)
            }
        }
    }

    @Test func `a value may hold what looks like a delimiter`() {
        for value in ["a\r\n--XyQ", "a\r\r\n--Xy", "\r\n", "a\r", "--XyZ", "\r\n--X\r\n-"] {
            let body = Array((Self.part(#"form-data; name="model""#, value) + "--XyZ--").utf8)
            for size in [1, 2, 5, 100] {
                #expect(Self.model(body, cutEvery: size) == value)
            }
        }
    }

    @Test func `headers in any order, case and company name the part`() {
        for head in [
            "content-disposition:form-data;name=model",
            "CONTENT-DISPOSITION: Form-Data; NAME=\"model\" ",
            "Content-Type: text/plain\r\nContent-Disposition: form-data; name=\"model\"",
            "Content-Disposition: form-data; name=\"model\"\r\nX: \(String(repeating: "y", count: 9_000))",
        ] {
            #expect(Self.model("--XyZ\r\n\(head)\r\n\r\nm\r\n--XyZ--") == "m", "\(head.prefix(60))")
        }
        #expect(
            Self.model(
                "preamble\r\n--XyZ \t\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--XyZ"
            ) == "m")
    }

    @Test func `parts of other names, files and empty values are no model`() {
        let long = String(repeating: "f", count: 500)
        for part in [
            Self.part(#"form-data; name="Model""#, "x"),
            Self.part(#"form-data; name="model2""#, "x"),
            Self.part(#"form-data; name="mo\del""#, "x"),
            Self.part(#"form-data; name="model"; filename="m""#, "x"),
            Self.part(#"form-data; name="file"; filename="model""#, "x"),
            Self.part(#"form-data; name="model"; filename="\#(long)""#, "x"),
        ] {
            #expect(Self.model(part + "--XyZ--") == nil, "\(part.prefix(80))")
            #expect(Self.model(part + Self.tiny + "--XyZ--") == "tiny", "\(part.prefix(80))")
        }
        #expect(Self.model(Self.part(#"form-data; name="model""#, "") + "--XyZ--") == nil)
    }

    @Test func `a form with two models is refused at every cut, wherever the second stands`() {
        let second = Self.part(#"form-data; name="model""#, "b")
        let far = Self.part(
            #"form-data; name="file"; filename="f""#, String(repeating: "d\r\n", count: 50_000))
        for text in [
            Self.tiny + second, Self.tiny + Self.file + Self.tiny,
            Self.part(#"form-data; name="model""#, "") + Self.tiny, Self.tiny + far + second,
        ] {
            let body = Array((text + "--XyZ--").utf8)
            // Of the one with a long part a few cuts in that, and all in those around it.
            let isLong = body.count > 1_000
            let few = stride(from: 0, through: body.count, by: isLong ? body.count / 20 : 1)
            let around = isLong ? Set(0...200).union(body.count - 200...body.count) : []
            for cut in Set(few).union(around) {
                var peek = Self.peek("multipart/form-data; boundary=XyZ")
                peek?.feed(body.span.extracting(0..<cut))
                peek?.feed(body.span.extracting(cut..<body.count))
                #expect(peek?.error == .repeatedKey(.model), "cut at \(cut)")
            }
        }
        var peek = Self.peek("multipart/form-data; boundary=XyZ")
        let one = Array((Self.file + Self.tiny + Self.file + "--XyZ--" + Self.tiny).utf8)
        peek?.feed(one.span)
        #expect(peek?.error == nil && peek?.model?.text == "tiny")
    }

    @Test func `a form that breaks behind its model has none`() {
        for rest in [
            "--XyZabc\r\n", "--XyZ-x", "--XyZ\r\n\r\nm\r\n--XyZ--",
            "--XyZ\r\nContent-Disposition: form-data; name=a; name*=utf-8''model\r\n\r\nb\r\n",
        ] { #expect(Self.model(Self.tiny + rest) == nil, "\(rest)") }
    }

    @Test func `a form that readers would see differently has no model`() {
        for head in [
            "Content-Disposition: form-data; name=\"a\"; name=\"model\"",
            "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=model",
            "Content-Disposition: form-data;\r\n name=model",
            "Content-Disposition: attachment; name=model",
            "Content-Disposition: form-data; name=model; x",
            "Content-Disposition: form-data name=model",
            "Content-Disposition: form-data; name=\"model",
            "Content-Disposition: form-data; name=\"\u{1}\"",
            "Content-Disposition: form-data\nX: y",
            "Content-Disposition: form-data; name=model\u{0}",
            "Content-Type: text/plain", "nonsense", ": x", "Content-Disposition",
            "Content-Disposition:",
        ] {
            let body = "--XyZ\r\n\(head)\r\n\r\nm\r\n" + Self.tiny + "--XyZ--"
            #expect(Self.model(body) == nil, "\(head)")
        }
        for body in [
            "", "--XyZ", "--XyZ--\r\n" + Self.tiny + "--XyZ--", "--XyZ\n" + Self.tiny,
            "--XyZabc\r\n",
            "--XyZ\r\n\r\nm\r\n--XyZ--", "--XyZ\rContent", Self.tiny, "x--XyZ\r\n", "\r\n\r\n",
            "--XyZ\r\nContent-Disposition: form-data; name=model\r\n\r\ntiny",
        ] { #expect(Self.model(body) == nil, "\(body)") }
    }

    @Test func `a model of 256 bytes is the longest`() {
        for (count, isFound) in [(255, true), (256, true), (257, false)] {
            let name = String(repeating: "m", count: count)
            let found = Self.model(Self.part(#"form-data; name="model""#, name) + "--XyZ--")
            #expect(found == (isFound ? name : nil))
        }
    }

    @Test func `a model behind a long file is found`() {
        let data = String(repeating: "d\r\n--Xy", count: 100_000)
        let body = Self.part(#"form-data; name="file"; filename="f""#, data) + Self.tiny + "--XyZ--"
        for size in [1_000, .max] {
            #expect(Self.model(Array(body.utf8), cutEvery: size) == "tiny")
        }
    }

    @Test(arguments: [
        "multipart/form-data", "multipart/form-data;", "multipart/form-data; boundary",
        "multipart/form-data; boundary=", "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"a", "multipart/form-data; boundary=\"a \"",
        "multipart/form-data; boundary=a b", "multipart/form-data; boundary=a; boundary=a",
        "multipart/form-data; boundary=a; boundary=b", "multipart/form-data; boundary=a,b",
        "multipart/form-data; boundary=\"a\\b\"", "multipart/form-data; boundary=\"a;b\"",
        "multipart/form-data; boundary=a*b", "multipart/form-data; boundary=\"a\"b",
        "multipart/form-data; boundary = a", "multipart/form-data boundary=a",
        "multipart/form-datax; boundary=a", "multipart/mixed; boundary=a", "application/json", "",
        "multipart/form-data; boundary=a;;", "multipart/form-data; boundary=é",
    ])
    func `a content type without one valid boundary has no search`(contentType: String) {
        #expect(Self.peek(contentType) == nil)
    }

    @Test func `boundaries have 1 to 70 bytes`() {
        for (count, isValid) in [(1, true), (69, true), (70, true), (71, false)] {
            let boundary = String(repeating: "b", count: count)
            #expect((Self.peek("multipart/form-data; boundary=\(boundary)") != nil) == isValid)
            guard isValid else { continue }
            let body = Self.tiny.replacing("XyZ", with: boundary) + "--\(boundary)--"
            #expect(Self.model(Array(body.utf8), boundary: boundary) == "tiny")
            #expect(Self.model(Array(body.utf8), boundary: boundary, cutEvery: 1) == "tiny")
        }
        for boundary in ["----WebKitFormBoundaryA1", "'+_-.", "\"(a),/:=? b\""] {
            #expect(Self.peek("multipart/form-data;boundary=\(boundary)") != nil)
        }
    }

    @Test func `no garbage stops the search`() {
        var random = SystemRandomNumberGenerator()
        let body = Array((Self.file + Self.tiny + "--XyZ--\r\n").utf8)
        for _ in 0..<2_000 {
            var broken = body
            for _ in 0..<3 {
                broken[Int.random(in: 0..<body.count, using: &random)] =
                    [0x0D, 0x0A, 0x2D, 0x22, 0x5C, 0x3B, 0xFF].randomElement(using: &random) ?? 0
            }
            let whole = Self.model(broken)
            #expect(Self.model(broken, cutEvery: 1) == whole)
        }
    }
}
