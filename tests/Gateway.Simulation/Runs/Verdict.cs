namespace Gateway.Simulation;

/// <summary>What became of one run.</summary>
/// <param name="Broken">The promise it broke; null when it kept all.</param>
/// <param name="Run">The run as it ended.</param>
public sealed record Verdict(string? Broken, SimulatedRun Run)
{
    public static Verdict Of(RunPlan plan, bool keepsWords = false)
    {
        var run = new SimulatedRun(plan, keepsWords);
        try
        {
            run.Execute();
            return new Verdict(null, run);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            return new Verdict(exception is PromiseBrokenException ? exception.Message : exception.ToString(), run);
        }
    }
}
