namespace Gateway.Load;

/// <summary>How C10M ends; the same for every command.</summary>
internal static class ExitCode
{
    public const int Ok = 0;
    public const int Failed = 1;
    public const int Usage = 2;
    public const int Interrupted = 130;

    public const string Help = """
        Exit codes:
          0    done, and everything adds up
          1    messages were lost, duplicated or out of order, or there were errors
          2    wrong usage: an option, the target, or the secret cannot be understood
          130  interrupted before the end
        """;
}

/// <summary>Ends a run with a sentence for the operator and an exit code.</summary>
internal sealed class LoadException(int exitCode, string message, Exception? cause = null) : Exception(message, cause)
{
    public int ExitCode { get; } = exitCode;
}
