namespace Gateway.Simulation;

/// <summary>The node did what it promised never to do.</summary>
public sealed class PromiseBrokenException : Exception
{
    public PromiseBrokenException(string message) : base(message)
    {
    }

    public PromiseBrokenException()
    {
    }

    public PromiseBrokenException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
