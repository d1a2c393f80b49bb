using System.Reflection;
using Xunit.Sdk;

namespace Gateway.Tests.Programs;

/// <summary>
/// Runs a theory with one reactor, where nothing travels between homes, and with eight, more than there are cores, so that almost everything does.
/// Every suite that starts a node, a group of reactors or homes is run with both; tests/README.md lists how.
/// </summary>
/// <param name="cases">What the theory takes after the number of reactors; each with both. Null: nothing.</param>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class OneAndEightReactorsAttribute(params object[]? cases) : DataAttribute
{
    private static readonly int[] Reactors = [1, 8];

    public override IEnumerable<object[]> GetData(MethodInfo testMethod) => cases is null or []
        ? Reactors.Select(r => new object[] { r })
        : Reactors.SelectMany(r => cases.Select(c => new object[] { r, c }));
}
