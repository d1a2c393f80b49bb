namespace Gateway.Ctl;

/// <summary>How gatewayctl ends; the same for every command.</summary>
internal static class ExitCode
{
    public const int Ok = 0;
    public const int Refused = 1;
    public const int Usage = 2;
    public const int Unreachable = 3;
    public const int NotFound = 4;
    public const int Local = 5;
    public const int TornTail = 6;
    public const int Damaged = 7;
    public const int Unexpected = 70;
    public const int Interrupted = 130;

    public const string Help = """
        Exit codes:
          0    done
          1    the node said no
          2    wrong usage: an argument, an option, a key file or the secret cannot be understood
          3    the node cannot be reached
          4    not found: no such session, nothing that matches, no log or backup in the folder
          5    a local file or folder cannot be used: state in use, a node runs on the folder, key file exists, disk full
          6    log verify: the log's end is torn, as a crash leaves it; a start cuts it off and nothing promised is lost
          7    the log, or the backup, is damaged
          70   an error in the program itself
          130  interrupted before the end; replay and tail continue where they stopped
        """;
}

/// <summary>Ends a command with a sentence for the operator and an exit code.</summary>
internal sealed class CtlException(int exitCode, string message, Exception? cause = null) : Exception(message, cause)
{
    public int ExitCode { get; } = exitCode;
}
