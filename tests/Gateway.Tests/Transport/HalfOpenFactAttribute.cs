using Xunit;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace Gateway.Tests.Transport;

/// <summary>A fact that takes a network of its own; skipped, with the reason, where there is none to be had, or no io_uring for its half.</summary>
[AttributeUsage(AttributeTargets.Method)]
[XunitTestCaseDiscoverer("Gateway.Tests.Transport.HalfOpenFactDiscoverer", "Gateway.Tests")]
public sealed class HalfOpenFactAttribute : FactAttribute;

/// <summary>Called by xunit.</summary>
public sealed class HalfOpenFactDiscoverer(IMessageSink sink) : FactDiscoverer(sink)
{
    protected override IXunitTestCase CreateTestCase(ITestFrameworkDiscoveryOptions discoveryOptions, ITestMethod testMethod, IAttributeInfo factAttribute) =>
        (Backends.SkipReason(testMethod) ?? NetworkNamespace.Missing) is { } reason
            ? new SkippedTestCase(DiagnosticMessageSink, discoveryOptions, testMethod, reason)
            : base.CreateTestCase(discoveryOptions, testMethod, factAttribute);
}

/// <summary>The same of a theory.</summary>
[AttributeUsage(AttributeTargets.Method)]
[XunitTestCaseDiscoverer("Gateway.Tests.Transport.HalfOpenTheoryDiscoverer", "Gateway.Tests")]
public sealed class HalfOpenTheoryAttribute : TheoryAttribute;

/// <summary>Called by xunit.</summary>
public sealed class HalfOpenTheoryDiscoverer(IMessageSink sink) : TheoryDiscoverer(sink)
{
    public override IEnumerable<IXunitTestCase> Discover(ITestFrameworkDiscoveryOptions discoveryOptions, ITestMethod testMethod, IAttributeInfo theoryAttribute) =>
        (Backends.SkipReason(testMethod) ?? NetworkNamespace.Missing) is { } reason
            ? [new SkippedTestCase(DiagnosticMessageSink, discoveryOptions, testMethod, reason)]
            : base.Discover(discoveryOptions, testMethod, theoryAttribute);
}
