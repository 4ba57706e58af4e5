/// Says in an operator's words what the YAML library says in its own.
struct YAMLFault {
    var message: String
    var hint: String?
    /// Whether the mistake is where the context began, not where the library noticed it.
    var isAtContext = false

    /// `letter` is what stands at the problem's place.
    init(problem: String, context: String, contextLine: Int?, letter: Unicode.Scalar?) {
        let since = contextLine.map { " of line \($0)" } ?? ""
        if problem.contains("did not find expected alphabetic or numeric character")
            || problem.contains("undefined alias")
        {
            message = context.contains("anchor") ? "a value begins with &" : "a value begins with *"
            hint = "quote it, as in \"*.example.com\""
        } else if letter == "\t" {
            message = "a tab where spaces are needed"
            hint = "indent with spaces"
        } else if problem.contains("cannot start any token"), let letter {
            message = "a value cannot begin with \(letter)"
            hint = "quote the value"
        } else if problem.contains("mapping values are not allowed") {
            message = "a \":\" that YAML does not expect here"
            hint = "check the indentation, and quote values that hold \": \""
        } else if problem.contains("could not find expected ':'") {
            message = "a key without \":\""
            isAtContext = true
            hint = "write `key: value`, with a space after the colon"
        } else if problem.contains("did not find expected key") {
            message = "neither a key nor the end of the mapping\(since)"
            hint = "check the indentation, and quote values that hold quotes or brackets"
        } else if problem.contains("did not find expected '-' indicator") {
            message = "neither an item nor the end of the list\(since)"
            hint = "begin each item with `-`, all at the same column"
        } else if problem.contains("expected ',' or") {
            message = "the bracket\(since) is not closed, or a comma is missing"
            hint = nil
        } else if context.contains("quoted scalar") && problem.contains("end of stream") {
            message = "the quote is not closed"
            isAtContext = true
            hint = nil
        } else if problem.contains("another document") {
            message = "a second document begins here"
            hint = "one file holds one configuration: remove the `---`"
        } else if problem.contains("nesting level") {
            message = "nested more than \(YAMLDocument.maxDepth) deep"
            hint = nil
        } else {
            message = "not YAML: \(context.isEmpty ? "" : context + since + ", ")\(problem)"
            hint = nil
        }
    }
}
