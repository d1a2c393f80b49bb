using Xunit;

namespace Gateway.Tests.Metrics;

/// <summary>promtool of the Debian package prometheus.</summary>
internal static class Promtool
{
    private static readonly Lazy<(string? Path, string? Missing)> Found = new(() => DebianPackage.Find("prometheus", "promtool"));

    /// <summary>Null when it is there.</summary>
    public static string? Missing => Found.Value.Missing;

    /// <summary>Runs it with this input; returns its exit code and everything it said.</summary>
    public static (int ExitCode, string Said) Run(string input, params string[] arguments) =>
        DebianPackage.Run(Found.Value.Path ?? throw new InvalidOperationException(Missing), input, arguments);
}

/// <summary>A test that needs promtool; without it it is skipped with the reason, under CI it fails.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class PromtoolFactAttribute : FactAttribute
{
    public PromtoolFactAttribute()
    {
        if (Environment.GetEnvironmentVariable("CI") != "true" && Promtool.Missing is { } reason) Skip = reason;
    }
}
