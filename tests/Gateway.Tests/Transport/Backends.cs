using Gateway.Transport;
using Gateway.Transport.Backend.Uring;
using Xunit;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace Gateway.Tests.Transport;

/// <summary>
/// One conformance suite, two backends: an abstract class of tests takes the backend, and one class of each backend stands behind it. Those
/// whose name ends in <see cref="UringSuffix"/> are skipped, with the reason, where the kernel refuses io_uring.
/// </summary>
internal static class Backends
{
    public const string UringSuffix = "Uring";

    /// <summary>Null where io_uring is to be had.</summary>
    public static string? UringMissing { get; } = UringProbe.WhyNot();

    /// <summary>On this backend; with several reactors also with many small rings each, so that one table is seldom enough.</summary>
    public static ReactorGroupOptions On(this ReactorGroupOptions options, IoBackend io) =>
        options with { Io = io, SocketsPerRing = io == IoBackend.Uring && options.Reactors > 1 ? 16 : 0 };

    public static string? SkipReason(ITestMethod method) =>
        method.TestClass.Class.Name.EndsWith(UringSuffix, StringComparison.Ordinal) && UringMissing is { } reason ? $"io_uring: {reason}" : null;
}

/// <summary>A fact of a suite that runs on every backend.</summary>
[AttributeUsage(AttributeTargets.Method)]
[XunitTestCaseDiscoverer("Gateway.Tests.Transport.OnBackendFactDiscoverer", "Gateway.Tests")]
public sealed class OnBackendFactAttribute : FactAttribute;

/// <summary>The same of a theory.</summary>
[AttributeUsage(AttributeTargets.Method)]
[XunitTestCaseDiscoverer("Gateway.Tests.Transport.OnBackendTheoryDiscoverer", "Gateway.Tests")]
public sealed class OnBackendTheoryAttribute : TheoryAttribute;

/// <summary>Called by xunit.</summary>
public sealed class OnBackendFactDiscoverer(IMessageSink sink) : FactDiscoverer(sink)
{
    protected override IXunitTestCase CreateTestCase(ITestFrameworkDiscoveryOptions discoveryOptions, ITestMethod testMethod, IAttributeInfo factAttribute) =>
        Backends.SkipReason(testMethod) is { } reason
            ? new SkippedTestCase(DiagnosticMessageSink, discoveryOptions, testMethod, reason)
            : base.CreateTestCase(discoveryOptions, testMethod, factAttribute);
}

/// <summary>Called by xunit.</summary>
public sealed class OnBackendTheoryDiscoverer(IMessageSink sink) : TheoryDiscoverer(sink)
{
    public override IEnumerable<IXunitTestCase> Discover(ITestFrameworkDiscoveryOptions discoveryOptions, ITestMethod testMethod, IAttributeInfo theoryAttribute) =>
        Backends.SkipReason(testMethod) is { } reason
            ? [new SkippedTestCase(DiagnosticMessageSink, discoveryOptions, testMethod, reason)]
            : base.Discover(discoveryOptions, testMethod, theoryAttribute);
}

/// <summary>A test that is not run and says why.</summary>
public sealed class SkippedTestCase : XunitTestCase
{
    private string _reason = "";

    [Obsolete("For xunit's deserialisation.")]
    public SkippedTestCase()
    {
    }

    public SkippedTestCase(IMessageSink sink, ITestFrameworkDiscoveryOptions options, ITestMethod method, string reason)
        : base(sink, options.MethodDisplayOrDefault(), options.MethodDisplayOptionsOrDefault(), method) => SkipReason = _reason = reason;

    public override void Serialize(IXunitSerializationInfo data)
    {
        base.Serialize(data);
        data.AddValue(nameof(_reason), _reason);
    }

    public override void Deserialize(IXunitSerializationInfo data)
    {
        base.Deserialize(data);
        SkipReason = _reason = data.GetValue<string>(nameof(_reason));
    }
}
